"""The page of a report in a browser: nothing in it runs, nothing is requested, and it fits on a phone."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from worlds.hostile_names import ATTACKS, PORT
from worlds.page_of_texts import page_of

from kptoolkit import load, write_report
from kptoolkit.report.report_page import to_html

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on the PATH to open the page in"),
]
FRAME = """<body style="margin:0"><iframe src="/page" style="width:390px;height:3000px;border:0"></iframe><script>
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {
  const inside = frame.contentDocument, wide = [...inside.querySelectorAll("*")].filter((one) =>
    !one.closest(".scroll, svg, title, style") && one.getBoundingClientRect().right > 391);
  document.body.textContent = "width " + inside.documentElement.scrollWidth + ", too wide " + wide.length + ". " +
    wide.map((one) => one.tagName + "." + one.className).join(" ");
});
</script></body>"""


@dataclass
class Site:
    """A server on this machine, with the paths that were requested."""

    pages: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *given: object) -> None:
        self.site = site
        super().__init__(*given)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.site.requests.append(self.path)
        text = self.site.pages.get(self.path)
        self.send_response(200 if text is not None else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((text or "").encode("utf-8"))

    def log_message(self, format: str, *given: object) -> None:
        """Print nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, site)) as server:
        site.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield site
        server.shutdown()
        thread.join()


def opened(site: Site, path: str, profile: Path) -> str:
    """The document after the browser has loaded it."""
    words = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--window-size=600,3000",
        "--virtual-time-budget=3000",
    ]
    words += [f"--user-data-dir={profile}", "--dump-dom", f"http://{site.address}{path}"]
    done = subprocess.run([str(BROWSER), *words], capture_output=True, check=True, timeout=120)
    return done.stdout.decode("utf-8")


def test_nothing_runs_and_nothing_is_requested(site: Site, tmp_path: Path) -> None:
    attacks = [attack.replace(PORT, site.address) for attack in ATTACKS]
    site.pages["/page"] = to_html(page_of("x" + " ".join(attacks)))
    shown = opened(site, "/page", tmp_path / "profile")
    assert "data-ran" in shown, "the attacks are in the page, as text"
    assert '<html lang="en">' in shown
    assert site.requests == ["/page"]
    site.requests.clear()
    site.pages["/raw"] = f"<!DOCTYPE html><html><body>{attacks[0]}{attacks[3]}</body></html>"
    assert '<html data-ran="' in opened(site, "/raw", tmp_path / "profile"), "as markup they run"
    assert "/picture" in site.requests


@pytest.mark.embedded
@pytest.mark.slow
def test_a_page_fits_on_a_phone(hostile_runs: list[Path], site: Site, tmp_path: Path) -> None:
    written = write_report([load(run) for run in hostile_runs], tmp_path / "report.html")
    site.pages |= {"/page": written.path.read_text(encoding="utf-8"), "/frame": FRAME}
    assert "width 390, too wide 0." in opened(site, "/frame", tmp_path / "profile")
    site.pages["/page"] = to_html(page_of("a_long_word_without_a_place_to_break" * 5, "0.1234"))
    assert "width 390, too wide 0." in opened(site, "/frame", tmp_path / "profile")
    site.pages["/page"] = "<!DOCTYPE html><div style='width:500px'>x</div>"
    assert "width 390, too wide 0." not in opened(site, "/frame", tmp_path / "profile")
