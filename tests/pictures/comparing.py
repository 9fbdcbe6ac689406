"""Comparing two pictures of a mail as an eye would: letters drawn a shade otherwise are the same, a lost line is not.

A picture is looked at twice. Up close, a little blurred, a pixel differs where its brightness or colour does by more
than `CLOSE`; at most `SHARE` of all may. From afar, squares of `SQUARE` pixels are averaged to one: none may differ
by more than `FAR`, which finds what is small beside a long mail, such as a missing button. The noise of anti-aliasing
averages out there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from PIL import Image, ImageChops, ImageFilter

CLOSE = 32
"""Of 255, for brightness as for each of the two colour differences (YCbCr)."""
SHARE = 0.005
FAR = 6
"""Of 255. Letters drawn a third of a pixel aside stay under it; a word that is gone is far over it."""
SQUARE = 32
SIZE = 0.01
"""How much of its width or height a picture may be larger or smaller."""


@dataclass(frozen=True)
class Difference:
    """How two pictures differ. `share` is of all pixels, 0 to 1; `far` the most a square differs, of 255.

    `picture` has what differs in red on the first picture, paled. `where` is that square's left upper corner.
    """

    sizes: tuple[tuple[int, int], tuple[int, int]]
    share: float
    far: int
    where: tuple[int, int]
    picture: Image.Image

    @property
    def trouble(self) -> str:
        """What is too much about it, as a sentence; empty where an eye would call the pictures the same."""
        (width, height), (other_width, other_height) = self.sizes
        if abs(width - other_width) > SIZE * width or abs(height - other_height) > SIZE * height:
            return f"it is {width}×{height} pixels and was {other_width}×{other_height}"
        if self.share > SHARE:
            return f"{self.share:.2%} of its pixels differ; {SHARE:.1%} may"
        if self.far > FAR:
            left, top = self.where
            return (
                f"about {left} pixels from the left and {top} from the top it differs by {self.far} of 255; {FAR} may"
            )
        return ""


def compare(picture: Image.Image, other: Image.Image) -> Difference:
    """Compare two pictures, from their left upper corners as far as both reach."""
    both = (0, 0, min(picture.width, other.width), min(picture.height, other.height))
    one, two = (shown.convert("RGB").crop(both) for shown in (picture, other))
    differs = _up_close(one, two)
    far, where = _from_afar(one, two)
    return Difference(
        sizes=(picture.size, other.size),
        share=differs.histogram()[255] / (both[2] * both[3]),
        far=far,
        where=where,
        picture=_shown(one, differs),
    )


def fingerprint(picture: Image.Image, square: int = 16) -> Image.Image:
    """Give a picture in which nobody can read a word: grey, each square of 16 pixels averaged to one."""
    return picture.convert("L").reduce(square)


def _up_close(one: Image.Image, two: Image.Image) -> Image.Image:
    """Give 255 where two pictures differ, 0 elsewhere."""
    blurred = (shown.filter(ImageFilter.BoxBlur(1.5)).convert("YCbCr") for shown in (one, two))
    channels = ImageChops.difference(*blurred).split()
    most = reduce(ImageChops.lighter, channels)
    return most.point(lambda value: 255 if value > CLOSE else 0)


def _from_afar(one: Image.Image, two: Image.Image) -> tuple[int, tuple[int, int]]:
    difference = ImageChops.difference(one.reduce(SQUARE), two.reduce(SQUARE))
    most = reduce(ImageChops.lighter, difference.split())
    far = int(most.getextrema()[1])  # type: ignore[arg-type]
    box = most.point(lambda value: 255 if value == far else 0).getbbox() or (0, 0, 0, 0)
    return far, (box[0] * SQUARE, box[1] * SQUARE)


def _shown(picture: Image.Image, differs: Image.Image) -> Image.Image:
    pale = Image.blend(picture, Image.new("RGB", picture.size, "white"), 0.6)
    pale.paste("red", mask=differs)
    return pale
