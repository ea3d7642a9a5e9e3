"""A page of ours in a real headless Chromium.

A harness page puts it into a frame of the wanted width, works it as a reader would, and leaves what it saw in the dumped page; Chromium's
log tells of errors in the console.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

_HARNESS = """<!doctype html><meta charset="utf-8"><pre id="seen">nothing</pre>
<iframe id="frame" src="%(page)s" style="width:%(width)dpx;height:900px;border:0"></iframe>
<script>
document.getElementById("frame").addEventListener("load", (event) => {
  const view = event.target.contentWindow, page = view.document;
  const by = (id) => page.getElementById(id);
  const put = (id, value, kind) => { by(id).value = value; by(id).dispatchEvent(new view.Event(kind || "change")); };
  const cards = () => [...page.querySelectorAll("article")];
  const numbers = () => cards().map((card) => Number(card.dataset.segment));
  let seen;
  try { seen = (() => { %(steps)s })(); } catch (error) { seen = { error: String(error) }; }
  seen.requests = view.performance.getEntriesByType("resource").map((entry) => entry.name);
  document.getElementById("seen").textContent = JSON.stringify(seen);
});
</script>"""


@dataclass(frozen=True)
class Seen:
    """What the steps returned, and what went to the console."""

    values: dict[str, Any]
    console: list[str]


def open_page(page: Path, steps: str, *, width: int = 1280) -> Seen:
    """Open a page, run `steps` (JavaScript that returns an object) and give back what it saw; the page's folder is written into."""
    folder = page.parent
    harness = folder / "harness.html"
    harness.write_text(_HARNESS % {"page": page.name, "width": width, "steps": steps}, encoding="utf-8")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--allow-file-access-from-files"]
    flags += [
        f"--user-data-dir={folder / 'profile'}",
        "--window-size=1400,1000",
        "--enable-logging=stderr",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    command = [str(CHROMIUM), *flags, "--virtual-time-budget=20000", "--dump-dom", harness.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env={**os.environ, "LANG": "C.UTF-8"}, check=False)
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found and found[1] != "nothing", f"the page did not load: {done.stderr[-2000:]}"
    values = json.loads(unescape(found[1]))
    assert "error" not in values, values
    return Seen(values, [line for line in done.stderr.splitlines() if "CONSOLE" in line])
