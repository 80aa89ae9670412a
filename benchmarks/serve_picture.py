"""Draws docs/images/serve.png, the labelling page on an example: `make picture`. Given a folder, also the page in other guises there.

python -m benchmarks.serve_picture [FOLDER]
"""

import tempfile
from pathlib import Path

import click

from tests.browser import CHROMIUM, Browser
from tests.people.serve.page import with_queue
from tests.people.serve.served import Hands, Served

TEXTS = [
    "The hinge broke after two days, but they sent a new one without a question.",
    "وصل الطرد متأخرًا يومين، والعلبة ممزقة. رقم الطلب 4217.",
    "屏幕很亮,电池也耐用,就是有点重。 👍🏽",
    "I have owned three of these. " * 60,
]
GUIDELINE = """# What people think of a product

- **good**: the writer is content with the product or the service.
- **bad**: the writer is not.
- **other**: neither, or both in equal parts.

A question alone is **other**. Irony counts as what is meant.
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
def main(folder: Path | None) -> None:
    """Draw the labelling page."""
    if CHROMIUM is None:
        raise click.ClickException("Chromium is not installed, and the picture is drawn in it.")
    with tempfile.TemporaryDirectory() as place:
        here = with_queue(Path(place, "reviews"), texts=TEXTS)
        here.write("guideline.md", GUIDELINE)
        with Served(here.folder) as served, Browser() as browser:
            browser.as_screen(1180, high=620)
            ana = Hands(browser, served, "Ana")
            browser.as_screen(1180, high=620)
            ana.reload()
            browser.shoot(Path("docs/images/serve.png"), whole=False)
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
                guises = [("phone", 390, "light", 844), ("dark", 1180, "dark", 620)]
                for name, wide, scheme, high in guises:
                    browser.as_screen(wide, scheme, high)
                    ana.reload()
                    browser.shoot(folder / f"{name}.png", whole=False)
                browser.as_screen(390, "dark")
                ana.press("2")
                browser.shoot(folder / "right-to-left.png", whole=False)
                browser.as_screen(1180, high=700)
                ana.press("1", "s")
                browser.shoot(folder / "chinese-skip.png", whole=False)
                ana.press("Escape", "1", "n")
                browser.shoot(folder / "long-note.png", whole=False)


if __name__ == "__main__":
    main()
