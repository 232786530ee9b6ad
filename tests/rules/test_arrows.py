"""Which package may import which. An arrow that points back would tie what is believed to what runs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.rules.tree import PACKAGES, modules_in, stands


@dataclass(frozen=True)
class Arrow:
    """Modules in `guarded` (but not in `except_in`) import nothing of `forbidden`."""

    guarded: str
    forbidden: str
    reason: str
    except_in: tuple[str, ...] = ()


ARROWS = (
    Arrow("licensing", "media", "What a document says must not depend on how it came in."),
    Arrow("licensing", "appliance", "Belief is decided below the gateway, and is shipped to tools without one."),
    Arrow("licensing", "installer", "The lowest package knows nobody above it."),
    Arrow("media", "appliance", "The installer reads media on hosts where no appliance is installed yet."),
    Arrow("media", "installer", "Media is read by more than the installer."),
    Arrow("appliance", "installer", "The installer may be older than the release that it installs."),
    Arrow(
        "installer", "appliance", "The installer runs the staged release's own check, and never its code in-process."
    ),
    Arrow(
        "licensing",
        "licensing.vendor",
        "The vendor's side does not reach a customer.",
        except_in=("licensing/vendor",),
    ),
    Arrow("media", "licensing.vendor", "The vendor's side does not reach a customer."),
    Arrow("appliance", "licensing.vendor", "The vendor's side does not reach a customer."),
    Arrow("installer", "licensing.vendor", "The vendor's side does not reach a customer."),
    Arrow("licensing/vendor", "appliance", "The vendor issues and reconciles without running a gateway."),
    Arrow("licensing/vendor", "installer", "The vendor's desk installs nothing."),
)
# `licensing/vendor` is the one place in licensing that may import media: the desk reads what customers carry in.
VENDOR_MAY = ("media",)


@pytest.mark.parametrize("arrow", ARROWS, ids=lambda arrow: f"{arrow.guarded} not {arrow.forbidden}")
def test_no_import_against_the_arrow(arrow: Arrow) -> None:
    exempt = arrow.except_in or (("licensing/vendor",) if arrow.forbidden in VENDOR_MAY else ())
    found = [
        f"{module.path}:{each.line} imports {each.name}"
        for module in modules_in(arrow.guarded, outside=exempt)
        for each in module.imports()
        if each.within(arrow.forbidden)
    ]
    assert not found, f"{arrow.reason} {found}"


@pytest.mark.parametrize("arrow", ARROWS, ids=lambda arrow: f"{arrow.guarded} not {arrow.forbidden}")
def test_both_ends_of_the_arrow_stand(arrow: Arrow) -> None:
    for place in (arrow.guarded, arrow.forbidden.replace(".", "/"), *arrow.except_in):
        assert stands(place), f"{place} has vanished: this rule guards nothing any more"
    assert arrow.reason.endswith(".")


def test_what_imports_what_within_the_house_is_all_there_is() -> None:
    """The arrows above are the whole of it: licensing alone, media on licensing, the two others on both."""
    allowed = {
        "licensing": {"licensing", "media"},
        "media": {"licensing", "media"},
        "appliance": {"licensing", "media", "appliance"},
        "installer": {"licensing", "media", "installer"},
    }
    assert set(allowed) == set(PACKAGES)
    for package in PACKAGES:
        for module in modules_in(package):
            reached = {each.name.partition(".")[0] for each in module.imports()}
            assert reached & {*PACKAGES, "tests", "packaging"} <= allowed[package], module.path
