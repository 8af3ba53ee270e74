"""Members and tokens on the page: one browser for the owner, another for who is let in."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from browser.pages import CHROMIUM, Site, Window, open_site

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: NO BROWSER TEST IS RUN"),
    pytest.mark.timeout(240),
]
TASK = "Make the failing test pass"


async def make_token(window: Window, user: str, role: str) -> str:
    page = window.page
    await page.get_by_role("link", name="Settings").click()
    form = page.get_by_role("form", name="A new token")
    await form.get_by_label("User").fill(user)
    await form.get_by_label("Role").select_option(role)
    await form.get_by_role("button", name="Make a token").click()
    return await page.locator("[data-secret]").inner_text()


async def sign_in(site: Site, window: Window, token: str) -> None:
    await window.page.goto(site.url)
    await window.page.get_by_label("Link, code or token").fill(token)
    await window.button("Sign in").click()
    await window.page.get_by_label("Your task").wait_for()


async def test_who_is_made_a_member_sees_the_session_and_does_there_what_the_role_allows(tmp_path: Path) -> None:
    async with open_site(tmp_path, approvals="always") as site, site.window() as owner, site.window() as ada:
        await owner.page.goto(site.link)
        token = await make_token(owner, "ada", "approver")
        await sign_in(site, ada, token)
        await owner.button("Back").click()
        await owner.give_task(TASK)
        await owner.button("Share").click()
        dialog = owner.page.get_by_role("dialog")
        form = dialog.get_by_role("form", name="A new member")
        await form.get_by_label("User").fill("ada")
        await form.get_by_label("Role").select_option("viewer")
        await form.get_by_role("button", name="Add").click()
        members = dialog.get_by_role("list", name="Members")
        await expect(members.get_by_role("listitem")).to_have_count(2)

        await ada.page.reload()
        await ada.page.get_by_role("navigation").get_by_role("link", name=TASK).click()
        await ada.page.get_by_role("heading", name="Edit: may the agent do this?").wait_for()
        await expect(ada.button("Approve")).to_be_disabled()
        await expect(ada.page.get_by_text("you are here as viewer").first).to_be_visible()
        await expect(ada.page.get_by_label("A word to the agent")).to_have_count(0)
        await members.get_by_label("Role of ada").select_option("approver")
        await ada.button("Approve").click()
        await ada.page.get_by_role("heading", name="Run: may the agent do this?").wait_for()
        await ada.button("Share").click()
        await expect(ada.page.get_by_role("dialog").get_by_text("To change members:")).to_be_visible()
        await expect(ada.page.get_by_role("dialog").get_by_label("Role of owner")).to_be_disabled()

        await members.get_by_role("button", name="Remove ada").click()
        await members.get_by_role("button", name="Really ada").click()
        await expect(ada.page.get_by_text("You are no member of this session any more.")).to_be_visible()
        assert owner.complaints == []


async def test_a_token_is_shown_once_and_revoked_it_signs_nobody_in(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as owner, site.window() as ada:
        await owner.page.goto(site.link)
        token = await make_token(owner, "ada", "editor")
        assert token.startswith("vgp_")
        await owner.button("I have it").click()
        await owner.page.reload()
        tokens = owner.page.get_by_role("list", name="Tokens")
        await expect(tokens.get_by_role("listitem")).to_have_count(1)
        assert token not in await owner.page.content()

        await sign_in(site, ada, token)
        await ada.page.get_by_role("link", name="Settings").click()
        await expect(ada.page.get_by_text("This needs a token with the role owner")).to_be_visible()
        await tokens.get_by_role("button", name="Revoke the token of ada").click()
        await tokens.get_by_role("button", name="Really revoke the token of ada").click()
        await expect(tokens).to_contain_text("revoked")
        await ada.page.get_by_label("Link, code or token").wait_for()
        await owner.button("Sign out in this browser").click()
        await owner.page.get_by_label("Link, code or token").fill(token)
        await owner.button("Sign in").click()
        await expect(owner.page.get_by_role("alert")).to_contain_text("revoked")


@pytest.mark.parametrize(("phone", "dark"), [(False, True), (True, False)], ids=["desktop-dark", "phone-light"])
async def test_sharing_and_settings_are_for_everybody(tmp_path: Path, *, phone: bool, dark: bool) -> None:
    async with open_site(tmp_path) as site, site.window(phone=phone, dark=dark) as window:
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await page.wait_for_url("**/sessions/*")
        await page.get_by_role("button", name="This session").click()
        await page.get_by_role("menuitem", name="Share").click()
        await page.get_by_text("What a role may do").click()
        assert await window.violations() == []
        await page.get_by_role("button", name="Share with everybody on this server").click()
        await expect(page.get_by_label("Role of Everybody on this server")).to_be_visible()
        await page.keyboard.press("Escape")
        await page.goto(f"{site.url}/settings")
        await page.get_by_role("form", name="A new token").get_by_label("User").fill("ada")
        await window.button("Make a token").click()
        await expect(page.get_by_role("list", name="Tokens").get_by_role("listitem")).to_have_count(1)
        assert await window.violations() == []
        assert window.complaints == []
