// The cards of "Predict first": a field or buttons for the guess, which is kept in the browser. Without this script each
// card has its question and a fold with the answer.
{
  // Where storage is blocked a guess lasts as long as the page.
  const kept = {
    read(key) { try { return localStorage.getItem(key); } catch { return null; } },
    write(key, guess) { try { localStorage.setItem(key, guess); } catch { /* see above */ } },
  };
  const decimals = (text) => (text.split(/e/i)[0].split(".")[1] ?? "").length;
  const numberIn = (text) => text.trim().replace(",", ".").replace("−", "-");

  // How far a guess is from the computed number, in as many digits as the finer of the two has.
  const distance = (guess, value) => {
    const digits = Math.min(20, Math.max(decimals(guess), decimals(value)));
    const off = Math.abs(guess - value).toFixed(digits);
    if (Number(guess) === Number(value)) return `Your guess: ${guess}. Right.`;
    return `Your guess: ${guess}. Too ${Number(guess) > Number(value) ? "high" : "low"} by ${off}.`;
  };

  for (const card of document.querySelectorAll(".predict")) {
    const key = `${location.pathname.split("/").pop()}#${card.id}`;
    const question = card.querySelector(".predict-question");
    const details = card.querySelector("details");
    const { value } = card.querySelector("data");
    const choices = [...card.querySelectorAll(".predict-choices li")].map((item) => item.textContent.trim());

    const form = document.createElement("form");
    question.id = `${card.id}-question`;
    form.setAttribute("aria-labelledby", question.id);
    if (choices.length) {
      form.append(...choices.map((choice) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = choice;
        button.ariaPressed = "false";
        button.addEventListener("click", () => reveal(choice));
        return button;
      }));
    } else {
      // The keys of a phone for numbers have no minus sign.
      form.innerHTML = `<label>Your guess <input type="text" autocomplete="off" aria-describedby="${question.id}"
        inputmode="${value < 0 ? "text" : "decimal"}"></label> <button>Compare</button>`;
    }
    const status = document.createElement("span");
    status.role = "status";
    form.append(status);
    question.after(form);

    const show = (guess) => {
      for (const button of form.querySelectorAll("[aria-pressed]")) {
        button.ariaPressed = String(button.textContent === guess);
      }
      status.textContent = !choices.length ? distance(guess, value) : guess === value ? "Right." : "Not so.";
      details.open = true;
    };
    const reveal = (guess) => {
      kept.write(key, guess);
      show(guess);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = form.querySelector("input");
      const guess = typed && numberIn(typed.value);
      if (guess && Number.isFinite(Number(guess))) reveal(guess);
      else if (typed) status.textContent = "A number, please, such as 0.5.";
    });

    const before = kept.read(key);
    const valid = choices.length ? choices.includes(before) : before && Number.isFinite(Number(before));
    if (valid) {
      if (!choices.length) form.querySelector("input").value = before;
      show(before);
    }
  }
}
