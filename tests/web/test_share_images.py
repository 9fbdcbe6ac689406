from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hostile import hostile_store
from PIL import Image
from publishing import SENT, SITE, Published, published

from digest.catalogue.model import Comparison
from digest.catalogue.queries import load_comparisons
from digest.settings import Settings
from digest.store import Database
from digest.web import lettering, pictures
from digest.web.kept import Kept
from digest.web.lettering import fitted
from serving import Clock, Reader, served

LONG = "The Extraordinarily Long-Winded Enterprise Assistant for Spreadsheets and Slides (Preview) of 2026"
NAMES = [
    "X",
    LONG,
    "Supercalifragilisticexpialidocious" * 5,
    "機械学習アシスタント・プロフェッショナル版",
    "مساعد الذكاء الاصطناعي للمبرمجين",
    "हिन्दी सहायक",
    "Émile’s Ünïcødé 4–1",
    "Café 日本 مرحبا Ω",
    "🚀🚀🚀",
    "𒀀𒀀 \u200d\ufe0f",
    " \u3000 ",
    "e\u0301" * 90,
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    with published(tmp_path_factory.mktemp("share")) as found:
        yield found


@pytest.fixture(scope="module")
def comparison(out: Published) -> Comparison:
    return load_comparisons(out.db, [1])[0]


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture.convert("RGB")


@pytest.fixture(params=["the machine's fonts", "no font but Pillow's own"])
def fonts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    def forget() -> None:
        for known in (lettering.face, lettering.runs_of, lettering._has, lettering._drawn, lettering._face_with):
            known.cache_clear()

    if request.param.startswith("no"):
        monkeypatch.setattr(lettering, "_files", tuple)
    forget()
    yield request.param
    forget()


@pytest.mark.parametrize("address", ["/share.png", f"/issues/{SENT}/share.png", "/compare/{slug}/share.png"])
def test_a_picture_is_of_the_size_the_networks_ask_for(out: Published, comparison: Comparison, address: str) -> None:
    slug = out.db.conn.execute("SELECT slug FROM comparisons ORDER BY published_at").fetchone()[0]
    answer = out.reader.get(address.format(slug=slug))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert opened(answer.content).size == (1200, 630)
    assert len(answer.content) < 300_000
    etag = answer.headers["etag"]
    assert out.reader.get(address.format(slug=slug), headers={"If-None-Match": etag}).status_code == 304
    head = out.reader.head(address.format(slug=slug))
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)


def test_pages_name_their_pictures_and_they_are_there(out: Published) -> None:
    slug = out.db.conn.execute("SELECT slug FROM comparisons ORDER BY published_at").fetchone()[0]
    for address, picture in (("/", "/share.png"), (f"/compare/{slug}", f"/compare/{slug}/share.png")):
        page = out.reader.get(address).text
        assert f'<meta property="og:image" content="{SITE}{picture}">' in page
        assert '<meta name="twitter:card" content="summary_large_image">' in page
        assert out.reader.get(picture).status_code == 200


def test_what_is_not_public_has_no_picture(out: Published) -> None:
    hidden = out.db.conn.execute(
        "SELECT slug FROM comparisons WHERE published_at > ?", (out.clock.now.isoformat(),)
    ).fetchone()[0]
    for slug in (hidden, "none", "%00", "x" * 5000):
        assert out.reader.get(f"/compare/{slug}/share.png").status_code == 404


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_drawn_and_stays_in_its_card(fonts: str, comparison: Comparison, name: str) -> None:
    settings = Settings()
    shown = replace(comparison, left=replace(comparison.left, name=name, category=None))
    picture = opened(pictures.of_comparison(shown, settings))
    card, page = settings.color_card, settings.color_page
    # Beside and under the name the card is bare; a letter that ran over would stand there.
    for box, ground in (((66, 214, 78, 396), card), ((544, 214, 556, 250), card), ((0, 140, 56, 500), page)):
        assert picture.crop(box).getcolors() == [((box[2] - box[0]) * (box[3] - box[1]), _rgb(ground))]
    ink = picture.crop((80, 200, 540, 400)).getcolors(100_000) or []
    assert len(ink) > 1


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def test_text_grows_smaller_then_wraps_then_is_cut(fonts: str) -> None:
    [short] = fitted("Short", width=400, lines=3, largest=64, smallest=28)
    assert short.size == 64
    wrapped = fitted("A name of several words", width=400, lines=3, largest=64, smallest=28)
    assert 1 < len(wrapped) <= 3
    cut = fitted(LONG, width=400, lines=2, largest=64, smallest=28)
    assert [line.size for line in cut] == [28, 28]
    assert cut[-1].runs[-1][0].endswith("…")
    for lines in (wrapped, cut):
        assert all(line.width <= 400 for line in lines)


def test_text_without_a_letter_that_can_be_written_gives_no_line(fonts: str) -> None:
    assert fitted("🚀🚀", width=400, lines=1, largest=40, smallest=20) == []
    assert fitted("", width=400, lines=1, largest=40, smallest=20) == []


def test_letters_that_no_font_has_are_written_in_latin_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for known in (lettering.face, lettering.runs_of, lettering._has, lettering._drawn, lettering._face_with):
        known.cache_clear()
    monkeypatch.setattr(lettering, "_files", tuple)
    [line] = fitted("Жук 東京", width=900, lines=1, largest=40, smallest=20)
    assert line.runs[0][0] == "Zhuk Dong Jing"
    for known in (lettering.face, lettering.runs_of, lettering._has, lettering._drawn, lettering._face_with):
        known.cache_clear()


def test_a_file_that_is_no_font_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "NotoSansBroken-Bold.ttf"
    broken.write_bytes(b"no font")
    for known in (lettering.face, lettering.runs_of, lettering._has, lettering._drawn, lettering._face_with):
        known.cache_clear()
    monkeypatch.setattr(lettering, "_files", lambda: (broken,))
    [line] = fitted("Words", width=900, lines=1, largest=40, smallest=20)
    assert line.runs == (("Words", 1),)
    for known in (lettering.face, lettering.runs_of, lettering._has, lettering._drawn, lettering._face_with):
        known.cache_clear()


def test_the_bars_show_the_panels_figures(comparison: Comparison) -> None:
    settings = Settings()
    left = replace(comparison.left, reviews=(), stated_panel_ship=100)
    right = replace(comparison.right, reviews=(), stated_panel_ship=0)
    picture = opened(pictures.of_comparison(replace(comparison, left=left, right=right), settings))
    assert picture.getpixel((500, 463)) == _rgb(settings.color_accent)
    assert picture.getpixel((700, 463)) == _rgb(settings.color_line)


def test_a_picture_is_drawn_anew_when_what_is_on_it_changes(sample: Database, reader: Reader) -> None:
    [comparison] = load_comparisons(sample, [1])
    address = f"/compare/{comparison.slug}/share.png"
    first = reader.get(address).headers["etag"]
    assert reader.get(address).headers["etag"] == first
    sample.execute("UPDATE tools SET description = 'Other words.'")
    assert reader.get(address).headers["etag"] == first
    sample.execute("UPDATE reviews SET verdict = 'skip'")
    assert reader.get(address).headers["etag"] != first


def test_a_picture_is_drawn_in_less_than_150_ms(comparison: Comparison) -> None:
    settings = Settings()
    pictures.of_comparison(comparison, settings)
    took = []
    for _ in range(5):
        began = time.process_time()
        pictures.of_comparison(comparison, settings)
        took.append(time.process_time() - began)
    assert min(took) < 0.15


def test_pictures_of_a_hostile_catalogue_are_drawn(tmp_path: Path, clock: Clock) -> None:
    with served(hostile_store(tmp_path), clock) as reader:
        for address in ("/share.png", "/compare/a-vs-b/share.png", "/issues/1/share.png"):
            assert opened(reader.get(address).content).size == (1200, 630)


def test_the_icon_is_there_in_every_shape(reader: Reader) -> None:
    assert opened(reader.get("/icon.png").content).size == (180, 180)
    icon = reader.get("/favicon.ico")
    assert icon.headers["content-type"] == "image/vnd.microsoft.icon"
    with Image.open(io.BytesIO(icon.content)) as picture:
        assert picture.info["sizes"] == {(16, 16), (32, 32), (48, 48)}
    assert reader.get("/icon.svg").headers["content-type"] == "image/svg+xml"


def test_memory_for_documents_is_bounded() -> None:
    kept = Kept(most=1_000)
    for number in range(50):
        kept._document(f"{number}", lambda: b"x" * 100, 0)
    assert sum(len(body) for _, body, _ in kept._documents.values()) == kept._size == 1_000
    assert list(kept._documents) == [str(number) for number in range(40, 50)]
    kept._document("40", lambda: b"y" * 300, 0)
    assert kept._document("40", lambda: b"z", 0)[0] == b"x" * 100
    assert kept._document("40", lambda: b"z" * 300, 1)[0] == b"z" * 300
    assert kept._size <= 1_000
