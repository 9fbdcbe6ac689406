"""How opens and clicks of an issue are counted: its links lead by the site, and its HTML ends in a picture nobody sees."""

from __future__ import annotations

from urllib.parse import unquote_plus


def with_utm(address: str, utm: str, number: int) -> str:
    """Give an address with UTM tags at the end of its query; those that it has already stay as they are.

    Args:
        address: an http or https address, whole; nothing in it is written anew.
        utm: the tags, as the setting `utm` has them; none where it is empty.
        number: of the issue, which stands for ``{number}`` in them.
    """
    rest, sign, fragment = address.partition("#")
    path, _, query = rest.partition("?")
    there = {unquote_plus(pair.partition("=")[0]).casefold() for pair in query.split("&")}
    tags = [tag for tag in utm.replace("{number}", str(number)).split("&") if tag]
    new = [tag for tag in tags if tag.partition("=")[0].casefold() not in there]
    if not new:
        return address
    joined = "&".join([query.rstrip("&"), *new] if query.rstrip("&") else new)
    return f"{path}?{joined}{sign}{fragment}"
