// A reader who has not chosen a framework yet sees PyTorch. In the file "Both" is chosen, for readers without scripts.
// sphinx-design's script, which runs after this one, puts a remembered or given choice in its place.
document.addEventListener("DOMContentLoaded", () => {
  for (const label of document.querySelectorAll('.sd-tab-label[data-sync-id="torch"]')) {
    document.getElementById(label.htmlFor).checked = true;
  }
});
