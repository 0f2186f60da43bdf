"""The interactive figures in a real browser: by mouse and keyboard, on a phone, without JavaScript, without errors."""

import re
from collections.abc import Callable, Iterator

import pytest
import torch
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from book import build, interactive
from tqttfs_lite.experiments import datasets, experiment
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.firing import LONGEST_TIME
from tqttfs_lite.spiking.inference import infer
from tqttfs_lite.spiking.network import from_state_dict
from tqttfs_lite.spiking.neuron import Neuron

SECONDS = 30
PHONE = {"width": 375, "height": 800, "deviceScaleFactor": 2, "mobile": True}
Opened = Callable[[str], WebElement]


@pytest.fixture
def opened(browser: webdriver.Chrome, address: str) -> Iterator[Opened]:
    """Opens the page of a figure, waits until it has taken its picture's place, and wants no errors in the end."""

    def load(name: str) -> WebElement:
        browser.get(f"{address}/{interactive.FIGURES[name].page}.html")
        wait(browser, lambda: browser.find_elements("css selector", f"#interactive-{name}[data-ready]"))
        figure = browser.find_element("id", f"interactive-{name}")
        browser.execute_script("arguments[0].scrollIntoView()", figure)
        if name == "run":
            load_weights(browser, figure)
        return figure

    reduce_motion(browser, True)
    browser.get_log("browser")
    yield load
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    reduce_motion(browser, False)


def wait(browser: webdriver.Chrome, done: Callable[[], object]) -> None:
    WebDriverWait(browser, SECONDS, poll_frequency=0.05).until(lambda _: done())


def reduce_motion(browser: webdriver.Chrome, reduced: bool) -> None:
    value = "reduce" if reduced else "no-preference"
    features = [{"name": "prefers-reduced-motion", "value": value}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def find(figure: WebElement, selector: str) -> WebElement:
    return figure.find_element("css selector", selector)


def find_all(figure: WebElement, selector: str) -> list[WebElement]:
    return figure.find_elements("css selector", selector)


def load_weights(browser: webdriver.Chrome, figure: WebElement) -> None:
    """Have the run figure load the network that is chosen."""
    find(figure, ".load").click()
    wait(browser, lambda: not find(figure, ".load").is_displayed())


def said(figure: WebElement) -> str:
    return find(figure, ".said").text


def press(browser: webdriver.Chrome, *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def button(figure: WebElement, name: str) -> WebElement:
    """The button with this text or accessible name."""
    (found,) = (item for item in find_all(figure, "button") if item.accessible_name == name)
    return found


# Every figure


@pytest.mark.parametrize("name", interactive.FIGURES)
def test_without_javascript_a_picture_and_its_caption_stay(browser: webdriver.Chrome, address: str, name: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{address}/{interactive.FIGURES[name].page}.html")
        figure = browser.find_element("id", f"interactive-{name}")
        assert find(figure, "img.still").size["width"] > 200
        assert "needs JavaScript" in find(figure, "noscript").text
        assert len(find(figure, "figcaption").text) > 100
        assert not find_all(figure, "svg, button")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("page", build.toc_pages(build.REPOSITORY / "book" / "_toc.yml"))
def test_a_page_loads_the_script_of_its_own_figure_only(browser: webdriver.Chrome, address: str, page: str) -> None:
    text = (build.HTML / f"{page}.html").read_text("utf-8")
    scripts = re.findall(r'<script type="module" src="\.\./_static/interactive-[0-9a-f]{12}/(\w+)\.js">', text)
    assert scripts == [name for name, figure in interactive.FIGURES.items() if figure.page == page]


@pytest.mark.parametrize("name", interactive.FIGURES)
def test_on_a_phone_nothing_leaves_the_card(browser: webdriver.Chrome, opened: Opened, name: str) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        figure = opened(name)
        assert interactive.FOR_JUPYTER not in figure.text
        selects = find_all(figure, ".controls select") if name == "tradeoff" else []
        for _ in Select(selects[0]).options if selects else [None]:
            for cost in Select(selects[1]).options if selects else [None]:
                if cost is not None:
                    cost.click()
                assert browser.execute_script(OUTSIDE, figure) == []
                assert browser.execute_script(OVERPRINTED, figure) == []
            if selects:
                selects[0].send_keys(Keys.ARROW_DOWN)
        assert browser.execute_script("return document.documentElement.scrollWidth") == PHONE["width"]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# What of a figure ends beyond its card; a table may scroll by itself, but needs not.
OUTSIDE = """
const card = arguments[0].getBoundingClientRect();
return [...arguments[0].querySelectorAll("svg text, button:not([hidden]), select, input, p, h4, td, th, figcaption")]
    .filter((element) => {
        const { left, right } = element.getBoundingClientRect();
        return left < card.left || right > card.right;
    }).map((element) => element.outerHTML);
"""


# Labels of networks that lie over one another, by more than the space around their letters.
OVERPRINTED = """
const labels = [...arguments[0].querySelectorAll(".network > text")].map((text) => text.getBoundingClientRect());
return labels.flatMap((a, n) => labels.slice(n + 1).filter((b) =>
    a.left < b.right && b.left < a.right && a.top + 3 < b.bottom - 3 && b.top + 3 < a.bottom - 3));
"""


@pytest.mark.parametrize("name", interactive.FIGURES)
def test_the_card_is_light_on_a_light_page_and_dark_on_a_dark_one(
    browser: webdriver.Chrome, opened: Opened, name: str
) -> None:
    figure = opened(name)
    brightness = {}
    for theme in ("light", "dark"):
        browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
        text = find(figure, "svg text").value_of_css_property("fill")
        card = figure.value_of_css_property("background-color")
        brightness[theme] = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (text, card)]
    assert brightness["light"][1] - brightness["light"][0] > 380
    assert brightness["dark"][0] - brightness["dark"][1] > 380


# The neuron


def test_the_neuron_follows_its_controls(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("neuron")
    assert said(figure) == "IF: fires at t = 2, 10. TTFS: fires at t = 2. TQ-TTFS, q = 4: fires at t = 7."
    theta, degree = find_all(figure, "input[type=range]")
    degree.send_keys(Keys.ARROW_LEFT)
    assert said(figure).endswith("TQ-TTFS, q = 3: fires at t = 2.")
    theta.send_keys(Keys.END)
    assert said(figure).count("never fires") == 3
    button(figure, "Reset").click()
    assert said(figure).endswith("TQ-TTFS, q = 4: fires at t = 7.")
    assert find(figure, "output").text == "1"


def test_input_spikes_are_changed_removed_and_added(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("neuron")
    dip = find_all(figure, ".spike-row")[2]
    weight = find_all(dip, "input")[1]
    weight.send_keys(Keys.ARROW_UP, Keys.ARROW_UP)  # from -0.5 to 0: no dip any more
    assert said(figure).endswith("TQ-TTFS, q = 4: fires at t = 3.")
    assert len(find_all(figure, "circle.potential.tq")) == interactive.NEURON["T"]
    button(figure, "remove spike 2").click()
    assert "TTFS: fires at t = 5." in said(figure)
    for _ in range(3):
        button(figure, "Add a spike").click()
    assert len(find_all(figure, ".stem")) == 8
    assert not button(figure, "Add a spike").is_enabled()


def test_a_spike_and_the_threshold_are_dragged(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("neuron")

    def row(i: int) -> list[str | None]:
        return [control.get_attribute("value") for control in find_all(find_all(figure, ".spike-row")[i], "input")]

    assert row(4) == ["9", "0.75"]
    far = figure.size["width"] // 4
    ActionChains(browser, duration=50).click_and_hold(find_all(figure, "[data-spike] .target")[4]).move_by_offset(
        far, 0
    ).release().perform()
    assert row(4) == [str(interactive.NEURON["T"] - 1), "0.75"]
    press(browser, Keys.ARROW_LEFT, Keys.ARROW_DOWN)  # the spike has kept the focus
    assert row(4) == ["14", "0.5"]
    ActionChains(browser, duration=50).click_and_hold(find(figure, "[data-theta]")).move_by_offset(
        0, -30
    ).release().perform()
    assert float(find(figure, "output").text) > 1
    assert said(figure) != "IF: fires at t = 2, 10. TTFS: fires at t = 2. TQ-TTFS, q = 4: fires at t = 7."


def test_a_task_that_is_done_says_so(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("neuron")
    assert "done" not in find(figure, ".tasks").text
    find_all(figure, "input[type=range]")[1].send_keys(Keys.ARROW_RIGHT)  # q = 5 fires at t = 9
    assert [item.text.endswith("✓ done") for item in find_all(figure, ".tasks li")] == [False, False, True]


def test_a_number_that_cannot_be_changes_nothing(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("neuron")
    before = said(figure)
    time = find(figure, ".spike-row input")
    time.send_keys("99")
    assert time.get_attribute("aria-invalid") == "true"
    assert said(figure) == before
    time.send_keys(Keys.CONTROL, "a")
    time.send_keys("15")
    assert time.get_attribute("aria-invalid") == "false"
    assert said(figure) != before


# The digit


def table(figure: WebElement) -> str:
    return find(figure, "table").text


def verdict(figure: WebElement, race: int = 1) -> str:
    """The visible line of the race with the degrees that are chosen (1), or of the unquantized one (0)."""
    return find(figure, f".race-{race} .said").text


def ink(browser: webdriver.Chrome, figure: WebElement) -> float:
    """How many pixels' worth of ink is on the paper."""
    script = "return [...arguments[0].querySelectorAll('.ink')].map((cell) => +cell.style.getPropertyValue('--ink'))"
    return float(sum(browser.execute_script(script, figure)))


def test_a_test_image_is_decided_and_counted(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("digit")
    images = interactive.digit_data()["images"]
    pixels = torch.tensor([image["pixels"] for image in images], dtype=torch.uint8)
    network = experiment.trained_network(interactive.released(interactive.DIGIT)).eval()
    plain = experiment.trained_network(interactive.released(interactive.DIGIT), "1-1").eval()
    answers = [infer(each, encode(pixels, each.time_steps)).label.tolist() for each in (plain, network)]
    for image, *labels in zip(images, *answers, strict=True):
        button(figure, f"test image of a {image['label']}").click()
        assert f"test image {image['index']}, a {image['label']}" in table(figure)
        for race, label in enumerate(labels):
            assert re.search(rf"(decision is|decides:) {label}\.$", verdict(figure, race))


def test_time_goes_by_step_by_step(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("digit")
    button(figure, "test image of a 1").click()  # crosses θ one step before its clock ticks
    spikes, waiting = {}, 0
    last = int(find(figure, "input[type=range]").get_attribute("max") or 0)
    assert last > 1
    for step in range(1, last + 1):
        button(figure, "Step").send_keys(Keys.ENTER)
        above = find_all(figure, ".race-1 .bar.above")
        waiting += len(above)
        words = "no output spike yet" if step < last else "output neuron 1 fires first"
        assert verdict(figure).startswith(f"Step {step} of 8: {'1 is above θ' if above else words}")
        assert ("The next tick is at step" in verdict(figure)) == bool(above)
        assert find(figure, ".step").text == f"step {step} of 8"
        spikes[step] = len(find_all(figure, ".cell.input.now, .cell.input.before"))
    assert waiting == 1
    assert verdict(figure, race=0).startswith(f"Step {last - 1} of 8: output neuron 1 fires first")
    assert sorted(spikes.values()) == list(spikes.values())
    assert f"input {spikes[last]}" in table(figure)
    find(figure, "input[type=range]").send_keys(Keys.HOME)
    assert verdict(figure).startswith("Step 1 of 8")
    assert len(find_all(figure, ".cell.input.now")) == spikes[1]


def test_the_race_plays_by_itself_unless_motion_is_to_be_reduced(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("digit")
    button(figure, "test image of a 1").click()
    assert "fires first" in verdict(figure)
    assert button(figure, "Play")
    reduce_motion(browser, False)
    button(figure, "test image of a 1").click()
    assert button(figure, "Pause")
    announced = find(figure, ".announced").get_attribute("textContent")
    wait(browser, lambda: verdict(figure).startswith("Step 2 of 8: no output spike yet"))
    assert find(figure, ".announced").get_attribute("textContent") == announced, "quiet while it plays"
    wait(browser, lambda: "fires first" in verdict(figure))
    assert button(figure, "Play")


def test_degrees_can_be_changed_and_silent_ones_are_explained(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("digit")
    hidden, output = map(Select, find_all(figure, "select"))
    before = table(figure)
    output.select_by_value("4")
    assert re.search(r"^Step [48] of 8|by step 8\.", verdict(figure))
    assert table(figure) != before
    hidden.select_by_value("7")
    output.select_by_value("5")
    assert "too few for layer 2 with q = 5: its clock never ticks" in verdict(figure)
    assert not table(figure)
    assert not any(button(figure, name).is_enabled() for name in ("Play", "Step"))
    hidden.select_by_value("1")
    output.select_by_value("2")
    assert table(figure) == before


def test_a_digit_is_drawn_with_the_mouse(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("digit")
    button(figure, "Clear").click()
    assert ink(browser, figure) == 0
    paper = find(figure, ".paper")
    reach = round(0.35 * paper.size["height"])
    one = ActionChains(browser, duration=50).move_to_element_with_offset(paper, 0, -reach).click_and_hold()
    one.move_by_offset(0, 2 * reach).release().move_by_offset(-20, -20).perform()
    drawn = ink(browser, figure)
    assert drawn > 30
    assert "your drawing" in table(figure)
    assert verdict(figure).endswith("1.")
    assert "down" not in (find(figure, ".pen").get_attribute("class") or "").split()
    ActionChains(browser).move_by_offset(10, 10).perform()
    assert ink(browser, figure) == drawn, "the pen is up"


@pytest.mark.parametrize("event", ["pointerup", "pointercancel", "lostpointercapture", "blur"])
def test_whatever_ends_a_stroke_lifts_the_pen(browser: webdriver.Chrome, opened: Opened, event: str) -> None:
    figure = opened("digit")
    paper, pen = find(figure, ".paper"), find(figure, ".pen")
    ActionChains(browser).move_to_element(paper).click_and_hold().perform()
    assert "down" in (pen.get_attribute("class") or "")
    browser.execute_script("arguments[0].dispatchEvent(new Event(arguments[1]))", paper, event)
    assert "down" not in (pen.get_attribute("class") or "")
    before = ink(browser, figure)
    ActionChains(browser).move_by_offset(15, 15).perform()
    assert ink(browser, figure) == before
    ActionChains(browser).release().perform()


def test_a_digit_is_drawn_with_the_keyboard(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("digit")
    clear = button(figure, "Clear")
    clear.click()
    browser.execute_script("arguments[0].focus()", clear)
    for _ in range(5):  # two degrees, play, step, time
        press(browser, Keys.TAB)
    press(browser, Keys.TAB)
    assert browser.switch_to.active_element == find(figure, ".paper")
    press(browser, *[Keys.ARROW_UP] * 9)
    assert ink(browser, figure) == 0, "the pen is up"
    press(browser, Keys.SPACE, *[Keys.ARROW_DOWN] * 18)
    assert find(figure, ".pen-state").text == "(pen is down)"
    assert ink(browser, figure) > 30
    assert verdict(figure).endswith("1.")
    press(browser, Keys.TAB)
    assert find(figure, ".pen-state").text == ""


# The perceptrons, run

FETCHED = """return performance.getEntriesByType("resource").map(({ name }) => name)
    .filter((name) => /(safetensors|bin)$/.test(name)).map((name) => name.split("/").at(-1))"""


def test_weights_are_loaded_when_the_reader_says_so(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("run")
    config = interactive.PERCEPTRONS[0]
    files = [f"{config.dataset}.bin", interactive.weights_file(config).name]
    assert browser.execute_script(FETCHED) == files
    assert browser.switch_to.active_element == find_all(figure, "select")[1]
    network = Select(find(figure, "select"))
    network.select_by_index(2)
    other = interactive.PERCEPTRONS[2]
    size = interactive.weights_file(other).stat().st_size + len(interactive.few_pixels(other.dataset))
    assert find(figure, ".load").text == f"Load {size / 1e6:.2f} MB"
    assert find(figure, ".status").text == "The weights of this network are not loaded yet."
    assert not find(figure, ".said").is_displayed()
    network.select_by_index(0)
    assert not find(figure, ".load").is_displayed() and "The decision is" in said(figure)
    assert browser.execute_script(FETCHED) == files


def test_weights_that_do_not_come_are_asked_for_again(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("run")
    Select(find(figure, "select")).select_by_index(1)
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*.safetensors"]})
    find(figure, ".load").click()
    wait(browser, lambda: "could not be loaded" in find(figure, ".status").text)
    browser.get_log("browser")  # has the error that was meant
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    load_weights(browser, figure)
    assert "The decision is" in said(figure)


def test_what_is_picked_is_what_the_library_computes(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("run")
    config = interactive.PERCEPTRONS[3]
    Select(find(figure, "select")).select_by_index(3)
    load_weights(browser, figure)
    assert "These are the settings of the training: 1-2-4, T = 16 and θ = 1." in find(figure, ".trained").text
    for choice, q in zip(find_all(figure, "select")[1:], (1, 3, 2), strict=True):
        Select(choice).select_by_value(str(q))
    for control, value in zip(find_all(figure, "input[type=number]"), ("12", "0.6"), strict=True):
        control.send_keys(Keys.CONTROL, "a")
        control.send_keys(value)
    assert "over 12 steps" in find(figure, ".trained").text and "multiplied by 1 / 0.6" in find(figure, ".trained").text
    weights = experiment.trained_network(interactive.released(config)).state_dict()
    network = from_state_dict(weights, "784-400(1)-400(3)-10(2)", 12, neuron=Neuron(0.6)).eval()
    names, test = datasets.get(config.dataset).classes, datasets.load(config.dataset, "test")
    for label, indices in enumerate(interactive.run_data()["datasets"][config.dataset]["indices"]):
        index = indices[1] if label == 0 else indices[0]  # the first one of class 0 is there at the start
        button(figure, names[label]).click()
        found = infer(network, encode(test.images[[index]], 12))
        answer, step = int(found.label), int(found.step)
        assert re.search(
            rf"(decision is|decides:) {names[answer]}\. This is {'right' if answer == label else 'wrong'}", said(figure)
        )
        assert f"test image {index} has the label {names[label]}." in said(figure)
        assert f"tep {step} of 12" in said(figure) or (not found.first.any() and "by step 12." in said(figure))
        spikes = [int((times < 12).sum()) for times in found.firing_times]
        rows = [row.text.split()[-2] for row in find_all(figure, "table tbody tr")[1:4]]
        assert rows == [str(count) for count in spikes]
    button(figure, "As trained").click()
    assert "These are the settings of the training" in find(figure, ".trained").text


def test_only_settings_that_can_fire_are_offered(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("run")
    steps, threshold = find_all(figure, "input[type=number]")
    _, hidden, output = map(Select, find_all(figure, "select"))
    hidden.select_by_value("5")
    assert [option.text for option in output.options] == ["1", "2", "3", "4", "5", "6", "7", "8"]
    output.select_by_value("7")
    assert [option.text for option in hidden.options] == ["1", "2", "3", "4", "5", "6", "7"]
    assert steps.get_attribute("max") == str(LONGEST_TIME)
    before = said(figure)
    for control, value in ((steps, "6"), (steps, "3.5"), (threshold, "-1"), (threshold, "")):
        control.send_keys(Keys.CONTROL, "a")
        control.send_keys(value or Keys.DELETE)
        assert control.get_attribute("aria-invalid") == "true"
        assert said(figure) == before
    button(figure, "As trained").click()
    assert {control.get_attribute("aria-invalid") for control in (steps, threshold)} == {"false"}


def test_a_drawing_runs_through_the_published_networks(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("run")
    button(figure, "Clear").click()
    assert "label" not in said(figure)
    browser.execute_script("arguments[0].focus()", find(figure, ".paper"))
    press(browser, *[Keys.ARROW_UP] * 9, Keys.SPACE, *[Keys.ARROW_DOWN] * 18)
    assert re.search(r"(decision is|decides:) 1\.$", said(figure))
    Select(find(figure, "select")).select_by_index(1)
    load_weights(browser, figure)
    assert ink(browser, figure) > 30, "the drawing stays for the other network"
    assert re.search(r"(decision is|decides:) 1\.$", said(figure))
    Select(find(figure, "select")).select_by_index(2)
    load_weights(browser, figure)
    assert not find_all(figure, ".paper")


# The networks


def test_points_are_reached_read_and_pinned_with_the_keyboard(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("tradeoff")
    points = find_all(figure, ".network")
    assert len(points) > 2
    browser.execute_script("arguments[0].focus()", find_all(figure, "select")[1])
    press(browser, Keys.TAB)
    assert browser.switch_to.active_element == points[0]
    assert said(figure) == points[0].accessible_name
    press(browser, Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element == points[1]
    assert said(figure) == points[1].accessible_name
    press(browser, Keys.END, Keys.ARROW_LEFT)
    assert browser.switch_to.active_element == points[-2]
    press(browser, Keys.ENTER)
    assert said(figure).endswith("Pinned.")
    assert [point.get_attribute("aria-pressed") for point in points].count("true") == 1
    mark = find(points[-2], ".mark")
    assert mark.value_of_css_property("stroke") != "none" == find(points[0], ".mark").value_of_css_property("stroke")
    press(browser, Keys.TAB)
    link = browser.switch_to.active_element
    assert link.tag_name == "a" and link.text.endswith(".json")
    reply = "fetch(arguments[0]).then((reply) => reply.json()).then((found) => arguments[1](found.config.architecture))"
    architecture = browser.execute_async_script(reply, link.get_attribute("href"))
    assert f": {architecture} (" in said(figure)


def test_every_network_is_hit_by_its_name_and_told_beside_its_baseline(
    browser: webdriver.Chrome, opened: Opened
) -> None:
    figure = opened("tradeoff")
    hollow, other = 0, []
    for point in find_all(figure, ".network"):
        ActionChains(browser, duration=0).move_to_element(find(point, "text")).perform()
        assert said(figure) == point.accessible_name
        if find_all(point, ".hollow"):
            hollow += "It is the baseline of its kind." in said(figure)
        else:
            other += re.findall(r"Against 1(?:-1)+: [+−][\d.]+ points, [+−][\d.]+ % energy\.$", said(figure))
    shown = [point for point in interactive.tradeoff_data()["points"] if point["dataset"] == "fashion-mnist"]
    assert hollow == sum(set(point["degrees"]) == set("1-") for point in shown)
    assert len(other) == sum(set(point["degrees"]) not in (set("1-"), set("rate")) for point in shown)


def test_a_pinned_point_comes_back_when_the_mouse_leaves_another(browser: webdriver.Chrome, opened: Opened) -> None:
    figure = opened("tradeoff")
    first, *_, second = find_all(figure, ".network .target")  # the last one has no other close to it
    ActionChains(browser).move_to_element(first).click().perform()
    pinned = said(figure)
    assert pinned.endswith("Pinned.")
    ActionChains(browser).move_to_element(second).perform()
    assert said(figure) == find_all(figure, ".network")[-1].accessible_name
    ActionChains(browser).move_to_element(find(figure, "figcaption")).perform()
    assert said(figure) == pinned


def test_data_set_and_accounting_change_the_points_and_the_description(
    browser: webdriver.Chrome, opened: Opened
) -> None:
    figure = opened("tradeoff")
    dataset, cost = map(Select, find_all(figure, "select"))
    assert len(cost.options) == 6
    seen = set()
    for option in cost.options:
        cost.select_by_visible_text(option.text)
        browser.execute_script("arguments[0].focus()", find(figure, ".network"))
        seen.add(said(figure))
        axis = find(figure, ".plot").text
        assert ("logarithmic" in axis) == option.text.startswith("energy")
    assert len(seen) == 6
    ActionChains(browser).move_to_element(find(figure, ".network .target")).click().perform()
    dataset.select_by_visible_text("MNIST")
    assert said(figure).startswith("MNIST: ")
    assert not find_all(figure, ".pinned, .files a")
    wanted = [point for point in interactive.tradeoff_data()["points"] if point["dataset"] == "mnist"]
    assert {point.text for point in find_all(figure, ".network")} == {point["degrees"] for point in wanted}
