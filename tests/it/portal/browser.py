"""Drives Debian's chromium through the portal of a running gateway, as people do. Reads what it needs as a line
of JSON on standard input; says what it saw as JSON on standard output. In between it says `upgrade` and waits
for an empty line: another process serves from then on. Ends with 1 and what is not as it should be."""

import json
import pathlib
import re
import sys
import time
import urllib.error
import urllib.request

from playwright.sync_api import expect, sync_playwright

SCENE = json.loads(sys.stdin.readline())
PICTURES = pathlib.Path(SCENE["pictures"]) if SCENE.get("pictures") else None
AXE = pathlib.Path(SCENE["axe"]).read_text()
WIDTHS = {"phone": 375, "tablet": 768, "desktop": 1280}
# However busy the machine is: only what does not happen takes so long.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
faults = []


def gateway(token):
    request = urllib.request.Request(SCENE["gateway"], headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def opened(browser, **more):
    """A window of its own, that waits as long as everything here."""
    context = browser.new_context(**more)
    context.set_default_timeout(PATIENCE)
    return context


def follow(page, link):
    """Follows a link to the page it leads to, which is another one."""
    before = page.url
    link.click()
    page.wait_for_url(lambda url: url != before)


def copy(page):
    """What was copied is said for two seconds, in which a busy machine may not look."""
    for _ in range(5):
        page.get_by_role("button", name="Copy the key").click()
        try:
            expect(page.get_by_role("button", name="Copied")).to_be_visible(timeout=2_000)
            return
        except AssertionError:
            pass
    raise AssertionError("it is not said that it was copied")


def comes_to_show(page, found, text):
    """A request is counted when its answer has left: until then the page is asked for again."""
    for _ in range(20):
        try:
            expect(found).to_contain_text(text, timeout=500)
            return
        except AssertionError:
            page.reload()
    expect(found).to_contain_text(text)


def away_from_midnight():
    """Days are in UTC."""
    left = 86_400 - time.time() % 86_400
    if left < 90:
        time.sleep(left + 1)


def check(page, name):
    """A page that scrolls sideways is a fault, and what axe-core calls serious or worse. Colours change with the
    theme and places with the width, so axe looks at each of both once, not at every pair."""
    page.evaluate(AXE)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for width_name, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults.append(f"{name} ({theme}, {width_name}): it scrolls sideways")
            cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.ariaLabel)"
            if width_name != "phone" and (tables := page.evaluate(cut)):
                faults.append(f"{name} ({theme}, {width_name}): these tables are cut: {tables}")
            if PICTURES:
                page.screenshot(path=PICTURES / f"{name}-{theme}-{width_name}.png", full_page=True)
            if (theme, width_name) in (("light", "phone"), ("dark", "desktop")):
                found = page.evaluate("axe.run()")["violations"]
                for one in found:
                    if one["impact"] in ("serious", "critical"):
                        where = [node["target"] for node in one["nodes"]][:3]
                        faults.append(f"{name} ({theme}, {width_name}): {one['id']}: {one['help']} {where}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def consumer(browser):
    context = opened(browser, permissions=["clipboard-read", "clipboard-write"], reduced_motion="reduce")
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))

    # Invite -> sign in. Opening the link twice does not use it up.
    page.goto(SCENE["link"])
    page.goto("about:blank")
    page.goto(SCENE["link"])
    expect(page.get_by_label("Code of your link")).to_have_value(SCENE["link"].split("#")[1])
    expect(page).not_to_have_url(re.compile("#"))
    check(page, "invite")
    page.goto(SCENE["portal"] + "/sign-in")
    check(page, "sign-in")
    page.goto("about:blank")
    page.goto(SCENE["link"])
    expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/keys")
    check(page, "keys-empty")

    # Create: a mistake stands beside its field, what was typed stays.
    follow(page, page.get_by_role("link", name="Create your first key"))
    check(page, "create")
    page.get_by_label("Name").fill("   ")
    page.get_by_label("Expires after").select_option("7d")
    page.get_by_role("button", name="Create the key").click()
    expect(page.get_by_text("Give it a name.")).to_be_visible()
    expect(page.get_by_label("Expires after")).to_have_value("7d")
    check(page, "create-fault")
    page.get_by_label("Name").fill('Billing <img src=x onerror=alert(1)>')
    page.get_by_label("products:read").check()
    page.get_by_role("button", name="Create the key").click()
    old = page.locator("#token").inner_text()
    copy(page)
    assert page.evaluate("navigator.clipboard.readText()") == old
    check(page, "created")
    # Sent again, the form makes nothing and shows nothing.
    page.reload()
    expect(page.get_by_text("This form was sent before")).to_be_visible()
    assert old not in page.content()

    # Use -> the chart shows it, once it is written: each minute, or as a process gives way to the next. Whoever
    # is signed in stays so.
    away_from_midnight()
    assert [gateway(old) for _ in range(7)] == [200] * 7
    page.goto(SCENE["portal"] + "/usage")
    upgrade()
    page.reload()
    expect(page.locator(".stat").first).to_contain_text("7")
    assert page.locator("figure svg rect.good").count() >= 1
    page.get_by_text("Show the numbers").click()
    expect(page.locator("figure table").get_by_role("cell", name="7", exact=True)).to_be_visible()
    check(page, "usage")

    # Rotate: both work.
    follow(page, page.get_by_role("link", name="Keys", exact=True))
    check(page, "keys")
    follow(page, page.get_by_role("row").get_by_role("link", name="Billing"))
    check(page, "key")
    page.get_by_role("button", name="Rotate").click()
    new = page.locator("#token").inner_text()
    check(page, "rotated")
    assert (gateway(old), gateway(new)) == (200, 200)

    # Revoke: a wrong confirmation does nothing, the right one ends it at once.
    follow(page, page.get_by_role("link", name="Keys", exact=True))
    follow(page, page.get_by_role("row").filter(has_text="being replaced").get_by_role("link"))
    page.get_by_label("Confirm").fill("nope")
    page.get_by_role("button", name="Revoke for good").click()
    expect(page.get_by_text("Nothing was done.")).to_be_visible()
    assert gateway(old) == 200
    page.get_by_label("Confirm").fill(old[-4:])
    page.get_by_role("button", name="Revoke for good").click()
    # The answer leads to the key's own page, on which it is over.
    expect(page.get_by_role("button", name="Revoke for good")).to_have_count(0)
    assert (gateway(old), gateway(new)) == (401, 200)
    page.goto(SCENE["portal"] + "/keys?show=ended")
    check(page, "keys-ended")
    page.goto(SCENE["portal"] + "/account")
    check(page, "account")
    page.goto(SCENE["portal"] + "/nowhere")
    check(page, "not-found")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto(SCENE["portal"] + "/keys")
    page.wait_for_url("**/sign-in")
    # 404 of the page that is not there is the one thing the console may say.
    said = [line for line in said if "404" not in line and "422" not in line]
    assert not said, said
    context.close()
    return {"old": old, "new": new}


def without_a_script(browser):
    """The essentials work without JavaScript."""
    context = opened(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(SCENE["link_without_script"])
    page.get_by_label("Code of your link").fill(SCENE["link_without_script"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/keys")
    page.get_by_role("link", name="Create a key").click()
    page.get_by_label("Name").fill("without a script")
    page.get_by_role("button", name="Create the key").click()
    token = page.locator("#token").inner_text()
    assert gateway(token) == 200
    context.close()
    return token


def operator(browser):
    """An operator gives somebody a key, finds out why it is refused, and ends it."""
    context = opened(browser, reduced_motion="reduce")
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))

    def part(name):
        parts = page.get_by_role("navigation", name="Parts of the portal")
        follow(page, parts.get_by_role("link", name=name))

    def press(name):
        page.get_by_role("button", name=name, exact=True).click()

    page.goto(SCENE["portal"])
    page.get_by_text("Sign in as an operator").click()
    page.get_by_label("Admin key").fill("kgate_admin_wrong")
    press_in(page, "Admin key")
    expect(page.get_by_text("This is not an admin key that works.")).to_be_visible()
    check(page, "operator-sign-in-fault")
    page.get_by_label("Admin key").fill(SCENE["admin_key"])
    press_in(page, "Admin key")
    page.wait_for_url("**/operator")

    # A consumer: what is wrong stands beside its field, and what was typed stays.
    part("Consumers")
    page.get_by_role("link", name="Create a consumer").click()
    page.get_by_label("Name").fill("   ")
    page.get_by_label("Metadata").fill("no pair")
    press("Create")
    expect(page.locator(".fault")).to_have_text(["Give it a name.", "Write one pair a line: name = value."])
    check(page, "operator-consumer-fault")
    page.get_by_label("Name").fill("Globex <b>GmbH</b> with a name that is long enough to be broken somewhere")
    page.get_by_label("External id").fill("globex-1")
    page.get_by_label("Tags").fill("gold\neu")
    page.get_by_label("Metadata").fill("tier = gold")
    press("Create")
    page.wait_for_url("**/operator/consumers/cust_*")
    consumer = page.url

    # A key for it, with the rest of the form open.
    page.get_by_role("link", name="Create a key").click()
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Name").fill("orders")
    page.get_by_label("Scopes").fill("not a scope!")
    press("Create the key")
    expect(page.locator(".fault")).to_have_count(1)
    expect(page.locator(".fault")).not_to_contain_text("column")
    page.get_by_text("More", exact=True).click()
    check(page, "operator-key-fault")
    page.get_by_label("Scopes").fill("products:read")
    press("Create the key")
    old = page.locator("#token").inner_text()
    check(page, "operator-key-made")
    follow(page, page.get_by_role("link", name="Done"))
    key = page.url
    assert [gateway(old) for _ in range(5)] == [200] * 5

    # It may be used from elsewhere only: its holder is refused.
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Networks").fill("nonsense")
    press("Save")
    expect(page.locator(".fault")).to_have_count(1)
    check(page, "operator-key-edit-fault")
    page.get_by_label("Networks").fill("192.0.2.0/24")
    press("Save")
    page.wait_for_url(key)
    assert gateway(old) == 403
    upgrade()
    assert [gateway(old) for _ in range(3)] == [403] * 3

    # Why? In three clicks from wherever one is: the part, the key, a request.
    part("Overview")
    refused = page.get_by_role("region", name="Refused by reason, since the start")
    comes_to_show(page, refused.get_by_role("row").filter(has_text="the address is not allowed"), "3")
    expect(page.locator(".stat").filter(has_text="let through")).to_be_visible()
    assert page.locator("figure svg rect.good").count() >= 1
    page.get_by_text("Show the numbers").click()
    check(page, "operator-overview")
    part("Keys")
    follow(page, page.get_by_role("link", name="orders", exact=True))
    expect(page.get_by_role("region", name="Refusals")).to_contain_text("403")
    # Three more where the process has served for a minute already.
    expect(page.locator(".stat").filter(has_text="requests")).to_have_text(re.compile("^(6|9)requests"))
    check(page, "operator-key")
    page.get_by_role("link", name="Try a request").click()
    expect(page.get_by_role("heading", name="It would be refused with 403")).to_be_visible()
    expect(page.locator("main")).to_contain_text("network")
    check(page, "operator-explained")

    # Let in again, rotated with both working, revoked after its end was typed.
    page.goto(key)
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Networks").fill("")
    press("Save")
    page.wait_for_url(key)
    assert gateway(old) == 200
    page.get_by_role("link", name="Rotate").click()
    page.get_by_label("Grace").fill("for a while")
    press("Rotate")
    expect(page.locator(".fault")).to_have_count(1)
    check(page, "operator-rotate-fault")
    page.get_by_label("Grace").fill("1d")
    press("Rotate")
    new = page.locator("#token").inner_text()
    assert (gateway(old), gateway(new)) == (200, 200)
    part("Rotations")
    expect(page.get_by_role("row").filter(has_text="orders")).to_be_visible()
    check(page, "operator-rotations-under-way")
    page.goto(key)
    page.get_by_role("link", name="Revoke").click()
    page.get_by_label("Reason").select_option("leak")
    page.get_by_label("Confirm").fill("nope")
    press("Revoke for good")
    expect(page.get_by_text("That is not how the key ends. Nothing was done.")).to_be_visible()
    check(page, "operator-revoke-fault")
    assert gateway(old) == 200
    page.get_by_label("Confirm").fill(old[-4:])
    page.get_by_label("Note").fill("ticket 7")
    press("Revoke for good")
    page.wait_for_url(key)
    assert (gateway(old), gateway(new)) == (401, 200)
    check(page, "operator-key-revoked")

    # The log says who, how and why.
    part("Audit")
    row = page.get_by_role("row").filter(has_text="key.revoked").first
    expect(row).to_contain_text("browser admin")
    expect(row).to_contain_text("ticket 7")
    check(page, "operator-audit")
    press("Check the whole log")
    expect(page.get_by_text("It is whole")).to_be_visible()

    # An invitation is made and used; another is withdrawn.
    page.goto(consumer)
    for used in (True, False):
        page.get_by_role("link", name="Invite to the portal").click()
        if used:
            page.get_by_label("Good for").fill("never")
            press("Make a link")
            expect(page.locator(".fault")).to_have_count(1)
            check(page, "operator-invite-fault")
            page.get_by_label("Good for").fill("1d")
        press("Make a link")
        # The kernel chose the port, so the link cannot say it.
        link = SCENE["portal"] + "/invite#" + page.locator("#token").inner_text().split("#")[1]
        if used:
            check(page, "operator-invited")
            theirs = opened(browser, reduced_motion="reduce")
            guest = theirs.new_page()
            guest.goto(link)
            guest.get_by_role("button", name="Sign in").click()
            guest.wait_for_url("**/keys")
            expect(guest.get_by_role("link", name="orders").first).to_be_visible()
        follow(page, page.get_by_role("link", name="Done"))
    check(page, "operator-consumer")
    part("Access")
    check(page, "operator-access-invited")
    page.get_by_role("button", name="Withdraw the link of Globex").click()
    expect(page.get_by_text("No link to sign in is waiting to be used.")).to_be_visible()
    page.get_by_role("button", name="Sign out Globex").click()
    expect(page.get_by_role("button", name="Sign out Globex")).to_have_count(0)
    guest.goto(SCENE["portal"] + "/keys")
    guest.wait_for_url("**/sign-in")
    theirs.close()

    # Many at once, and the rest of the pages.
    page.goto(consumer)
    page.get_by_role("link", name="Revoke all keys").click()
    press("Show them")
    page.get_by_label("Confirm").fill("7")
    press("Revoke them for good")
    expect(page.get_by_text("That is not how many they are. Nothing was done.")).to_be_visible()
    check(page, "operator-revoke-many")
    assert gateway(new) == 200
    page.goto(SCENE["portal"] + "/operator/keys/new")
    page.get_by_label("Consumer").fill("globex-1")
    page.get_by_label("Name").fill("many")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("How many").fill("3")
    press("Create the key")
    many = page.locator("#token").inner_text().split()
    assert [gateway(token) for token in many] == [200] * 3, many
    check(page, "operator-keys-made")
    links = page.locator("header nav a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert len(links) >= 8, links
    more = ["explain", "keys/find", "keys/revoke", "keys/prune", "keys?status=nonsense", "access/new", "gateway/check"]
    for path in [*links, *(f"/operator/{path}" for path in more)]:
        assert page.goto(SCENE["portal"] + path).status in (200, 422), path
        check(page, path.strip("/").replace("/", "-").replace("?", "-"))
    page.goto(SCENE["portal"] + "/operator/gateway")
    with page.expect_download() as download:
        press("Download a backup")
    assert pathlib.Path(download.value.path()).stat().st_size > 1000
    said = [line for line in said if "404" not in line and "422" not in line]
    assert not said, said
    context.close()
    return {"operators_old": old, "operators_new": new}


def press_in(page, label):
    page.get_by_label(label).press("Enter")


def upgrade():
    """Another process serves from now on; what the old one counted is written."""
    print("upgrade", flush=True)
    sys.stdin.readline()


def main():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=SCENE["chromium"], args=["--no-sandbox"], timeout=2 * PATIENCE)
        seen = consumer(browser)
        seen["without_script"] = without_a_script(browser)
        seen |= operator(browser)
        browser.close()
    if faults:
        print("\n".join(faults), file=sys.stderr)
        sys.exit(1)
    json.dump(seen, sys.stdout)


main()
