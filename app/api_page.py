"""The API's own page, `/docs`: what each endpoint takes and gives, as plain HTML that loads nothing from anywhere."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ..mt.markup import element, page, table
from .api_description import ENDPOINTS, Endpoint


def api_page(address: str) -> str:
    """The page as HTML.

    Args:
        address: of the server, `http://127.0.0.1:7860`, for the examples.
    """
    intro = element(
        "p",
        "The interface is LibreTranslate's, so its clients work here. The machine-readable description is ",
        element("a", "openapi.json", href="openapi.json"),
        ".",
    )
    return page("Dragoman: HTTP API", intro, *(part for each in ENDPOINTS for part in _endpoint(each, address)))


def _endpoint(endpoint: Endpoint, address: str) -> list[Element]:
    method = "POST" if endpoint.fields or endpoint.path == "/suggest" else "GET"
    parts = [
        element("h2", f"{method} {endpoint.path}"),
        element("p", endpoint.summary + (" (not in LibreTranslate)" if endpoint.ours else "")),
    ]
    if endpoint.fields:
        rows = [
            [element("td", element("code", each.name)), element("td", "yes" if each.required else ""), element("td", each.about)]
            for each in endpoint.fields
        ]
        parts.append(table(("field", "required", "what it is"), rows))
    return [*parts, element("pre", f"{_curl(endpoint, address)}\n{endpoint.answer}")]


def _curl(endpoint: Endpoint, address: str) -> str:
    url = f"{address}{endpoint.path}"
    if endpoint.path == "/translate_file":
        return f"curl {url} -F file=@letter.txt -F source=en -F target=fr"
    if endpoint.example:
        return f"curl {url} -H 'Content-Type: application/json' -d '{endpoint.example}'"
    return f"curl {'-X POST ' if endpoint.path == '/suggest' else ''}{url}"
