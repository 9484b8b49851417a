"""Drives Debian's chromium through the portal of a running gateway, as people do. Reads what it needs as a line
of JSON on standard input; says what it saw as JSON on standard output. In between it says `upgrade` and waits
for an empty line: another process serves from then on. Ends with 1 and what is not as it should be."""

import json
import pathlib
import sys
import urllib.error
import urllib.request

from playwright.sync_api import expect, sync_playwright

SCENE = json.loads(sys.stdin.readline())
PICTURES = pathlib.Path(SCENE["pictures"]) if SCENE.get("pictures") else None
AXE = pathlib.Path(SCENE["axe"]).read_text()
WIDTHS = {"phone": 375, "tablet": 768, "desktop": 1280}
faults = []


def gateway(token):
    request = urllib.request.Request(SCENE["gateway"], headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


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
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], reduced_motion="reduce")
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))

    # Invite -> sign in. Opening the link twice does not use it up.
    page.goto(SCENE["link"])
    page.goto("about:blank")
    page.goto(SCENE["link"])
    expect(page.get_by_label("Code of your link")).to_have_value(SCENE["link"].split("#")[1])
    assert "#" not in page.url, page.url
    check(page, "invite")
    page.goto(SCENE["portal"] + "/sign-in")
    check(page, "sign-in")
    page.goto("about:blank")
    page.goto(SCENE["link"])
    page.keyboard.press("Enter")  # the button has the focus
    page.wait_for_url("**/keys")
    check(page, "keys-empty")

    # Create: a mistake stands beside its field, what was typed stays.
    page.get_by_role("link", name="Create your first key").click()
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
    page.get_by_role("button", name="Copy the key").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == old
    check(page, "created")
    # Sent again, the form makes nothing and shows nothing.
    page.reload()
    expect(page.get_by_text("This form was sent before")).to_be_visible()
    assert old not in page.content()

    # Use -> the chart shows it, once it is written: each minute, or as a process gives way to the next. Whoever
    # is signed in stays so.
    assert [gateway(old) for _ in range(7)] == [200] * 7
    page.goto(SCENE["portal"] + "/usage")
    print("upgrade", flush=True)
    sys.stdin.readline()
    page.reload()
    expect(page.locator(".stat").first).to_contain_text("7")
    assert page.locator("figure svg rect.good").count() >= 1
    page.get_by_text("Show the numbers").click()
    expect(page.locator("figure table").get_by_role("cell", name="7", exact=True)).to_be_visible()
    check(page, "usage")

    # Rotate: both work.
    page.get_by_role("link", name="Keys", exact=True).click()
    check(page, "keys")
    page.get_by_role("row").get_by_role("link", name="Billing").click()
    check(page, "key")
    page.get_by_role("button", name="Rotate").click()
    new = page.locator("#token").inner_text()
    check(page, "rotated")
    assert (gateway(old), gateway(new)) == (200, 200)

    # Revoke: a wrong confirmation does nothing, the right one ends it at once.
    page.get_by_role("link", name="Keys", exact=True).click()
    page.get_by_role("row").filter(has_text="being replaced").get_by_role("link").click()
    page.get_by_label("Confirm").fill("nope")
    page.get_by_role("button", name="Revoke for good").click()
    expect(page.get_by_text("Nothing was done.")).to_be_visible()
    assert gateway(old) == 200
    page.get_by_label("Confirm").fill(old[-4:])
    page.get_by_role("button", name="Revoke for good").click()
    page.wait_for_load_state()
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
    context = browser.new_context(java_script_enabled=False)
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
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(SCENE["portal"])
    page.get_by_text("Sign in as an operator").click()
    page.get_by_label("Admin key").fill(SCENE["admin_key"])
    page.get_by_label("Admin key").press("Enter")
    page.wait_for_url("**/operator")
    links = page.locator("header nav a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert len(links) >= 8, links
    for path in [*links, "/operator/explain"]:
        assert page.goto(SCENE["portal"] + path).status == 200, path
        check(page, path.strip("/").replace("/", "-"))
    context.close()


def main():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=SCENE["chromium"], args=["--no-sandbox"])
        seen = consumer(browser)
        seen["without_script"] = without_a_script(browser)
        operator(browser)
        browser.close()
    if faults:
        print("\n".join(faults), file=sys.stderr)
        sys.exit(1)
    json.dump(seen, sys.stdout)


main()
