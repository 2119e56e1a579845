"""What real askers type, and where the search leads them. One page is open for all of it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

# What is typed -> the page that must be among the first three, and the section that it must lead to.
QUERIES = {
    # What failed before, or was weak.
    "oversampling": "when_to_weight#k9-is-focal-loss-a-substitute-for-re-sampling",
    "over-sampling": "questions#over-sampling-under-sampling-and-samplers",
    "resample the minority class": "questions#i-oversample-the-rare-class-and-also-use-class-weights",
    "undersampling": "when_to_weight#k7-do-classes-of-1-7-to-1-need-weights",
    "imbalanced": "when_to_weight",
    "unbalanced classes": "questions#my-classes-are-imbalanced-do-i-need-class-weights-at-all",
    "weighted random sampler": "sampling#how-to-draw-rows-by-weight",
    "WeightedRandomSampler": "questions#what-do-i-pass-to-weightedrandomsampler-weights-per-row-or-per-class",
    "sampler": "sampling#how-to-draw-rows-by-weight",
    "segmentation": "pixels",
    "image segmentation class weights": "pixels#rare-pixels-class-weights-dice-or-focal",
    "multi-label": "outputs#several-labels-in-a-row",
    "multilabel pos_weight": "outputs#several-labels-in-a-row",
    "timestep": "pixels",
    "time step weights": "pixels",
    "sample_weight shape lstm": "pixels#the-form-that-always-works",
    # Arguments and error messages.
    "class_weight generator": "keras_weights#what-would-go-wrong",
    "class_weight is only supported for Models with a single output": "outputs#class-weights-of-several-outputs",
    "two outputs class weight": "outputs#class-weights-of-several-outputs",
    "loss_weights change during training": "outputs#change-the-weights-during-training",
    "data cardinality is ambiguous": "mnist_digits#one-per-class-one-per-row-d6",
    "ignore_index with class weights": "masks#class-weights-smoothing-and-ignored-targets-together",
    "masking layer loss divided by": "masks#the-denominators",
    "nan targets": "masks#nan-targets",
    "pos_weight shape (B, C, H, W)": "questions#which-shape-has-pos-weight-for-b-c-h-w",
    "dice loss sample_weight": "pixels#losses-that-return-one-number",
    "unexpected key loss.weight": "wrappers#what-would-go-wrong",
    "label smoothing class weight": "denominators#label-smoothing-with-class-weights",
    "cross_entropy weight mean reduction none": (
        "questions#cross-entropy-weight-reduction-mean-is-not-the-mean-of-reduction-none-why"
    ),
    "class weights small batches": "questions#why-do-my-class-weights-do-so-little-in-small-batches",
    # Trainers and devices.
    "gradient accumulation weighted mean": "many_devices",
    "DDP cross entropy weight": "many_devices#what-would-go-wrong",
    "DistributedSampler": "many_devices#two-ranks-for-real",
    "huggingface trainer class weights": "wrappers#hugging-face-trainer",
    "lightning accumulate_grad_batches": "tokens#the-trainers",
    "xgboost scale_pos_weight": "wrappers#trees",
    "skorch class weight": "wrappers#skorch",
    # Validation, stopping, probabilities.
    "early stopping class weight": "questions#which-monitor-should-early-stopping-watch-under-class-weights",
    "val_loss not weighted": "keras_weights",
    "validation_split sorted": "mnist_9_vs_4#what-validates",
    "calibrated probabilities after class weights": "questions#how-do-i-get-probabilities-back-after-class-weights",
    "threshold cost false negative": "decision",
    "focal loss alpha": "when_to_weight#why-the-paper-s-alpha-is-below-one-half",
    "initial bias imbalanced": "tf_loss_weights#a-model-that-has-not-learned-yet",
    "noisy labels": "when_to_weight#a-network-that-can-memorise",
    "recent data weigh more": "when_to_weight#k11-newer-data-weigh-more",
    "frozen layer still training": "keras_weights#the-frozen-model-that-moved",
    "mixed precision train_step": "keras_weights#what-would-go-wrong",
    "old tensorflow class_weight val_loss": "then_and_now#document-001-three-fits-on-one-model",
    # Sampling, probabilities, the fine print.
    "WeightedRandomSampler DDP": "sampling#on-several-devices",
    "rejection_resample": "sampling#rejection-resample",
    "balanced_batch_generator": "sampling#balanced-batches",
    "smote or class weights": "questions#smote-or-class-weights",
    "platt scaling class weights": "probabilities#repairs-that-need-data",
    "temperature scaling": "probabilities",
    "prior shift deployment": "probabilities#another-share-in-deployment",
    "focal loss calibration": "probabilities#focal-loss",
    "expected scalar type Float but found Double": "fine_print#dtype-an-error-a-cast-or-another-number",
    "nan loss mixed_float16": "fine_print#mixed-precision",
    "unexpected key loss_fct.weight": "fine_print#saving-which-weights-come-back",
    "torchmetrics sample weights": "fine_print#metrics-which-see-weights",
    "AUC label_weights": "fine_print#label-weights-of-keras-auc",
    "compute_class_weight takes 1 positional argument": "fine_print#dtype-an-error-a-cast-or-another-number",
    # A name of the helpers, and a slip of the finger.
    "balanced_class_weights": "api#helpers.weights.balanced_class_weights",
    "denominater": "denominators",
}

# Types a query into the field, presses Enter, and reads what is shown: the links of the first three pages.
SEARCH = """queries => {
  const form = document.querySelector("main form.bd-search");
  return queries.map((query) => {
    form.elements.q.value = query;
    form.requestSubmit();
    return [...document.querySelectorAll("#search-results ul.search > li")].slice(0, 3)
      .flatMap((item) => [...item.querySelectorAll("a")].map((link) => link.getAttribute("href")));
  });
}"""


def _leads_there(links: list[str], wanted: str) -> bool:
    page, _, section = wanted.partition("#")
    address = f"book/{page}.html"
    return f"{address}#{section}" in links if section else address in [link.split("#")[0] for link in links]


def test_the_right_section_is_among_the_first_three_pages(open_page, site):
    page = open_page("search.html")
    found = dict(zip(QUERIES, page.evaluate(SEARCH, list(QUERIES)), strict=True))
    wrong = {asked: found[asked] for asked, wanted in QUERIES.items() if not _leads_there(found[asked], wanted)}
    assert wrong == {}
    assert len(QUERIES) >= 40
    anchors = {link for links in found.values() for link in links}
    assert [link for link in anchors if not _stands(site, link)] == []
    assert page.record.console == page.record.errors == page.record.failed == []


def _stands(site: Path, link: str) -> bool:
    """Whether a link leads to something with that id."""
    page, _, anchor = link.partition("#")
    return not anchor or f'id="{anchor}"' in (site / page).read_text(encoding="utf-8")


def test_the_text_around_the_words_is_shown_from_disk(open_page):
    page = open_page("search.html?q=over-sampling")
    assert page.url.startswith("file:")
    # Whatever word was typed, the excerpt shows the one that stands there.
    marked = page.locator("#search-results p.context strong")
    expect(marked.first).to_be_visible()
    assert {text.lower() for text in marked.all_inner_texts()} & {"over-sampling", "re-sampling"}


def test_a_second_search_stays_on_the_page_and_a_hit_opens_its_section(open_page):
    page = open_page("search.html?q=recall")
    page.locator("main input[name=q]").fill("nan targets")
    page.keyboard.press("Enter")
    page.locator("#search-results a[href='book/masks.html#nan-targets']").first.click()
    page.wait_for_url("**/masks.html*#nan-targets")
    expect(page.locator("#nan-targets h2")).to_be_in_viewport()
    assert page.record.errors == page.record.console == []
