// Texts in the direction and language they are in, Ctrl+Enter, and regions that screen readers announce.
window.dragoman = (() => {
  const codes = {};

  const set = (node, name, value) => {
    if (value === null ? node.hasAttribute(name) : node.getAttribute(name) !== value) {
      value === null ? node.removeAttribute(name) : node.setAttribute(name, value);
    }
  };

  const apply = (id) => {
    const code = codes[id];
    const direction = code === "auto" ? "auto" : window.dragomanRightToLeft.includes(code) ? "rtl" : "ltr";
    for (const box of document.querySelectorAll(`#${id} textarea, #${id} .passage`)) {
      // What somebody types may be in any language, whatever is chosen.
      set(box, "dir", box.matches("textarea:not([readonly])") ? "auto" : direction);
      set(box, "lang", code === "auto" ? null : code);
      box.style.textAlign = "start";
    }
  };

  const announce = () => {
    // A disabled box cannot be reached with the keyboard, so what is only shown there is read-only instead, and named.
    for (const box of document.querySelectorAll("textarea:disabled")) {
      box.readOnly = true;
      box.disabled = false;
      const label = box.closest(".block")?.querySelector("[data-testid=block-info]");
      if (label) set(box, "aria-label", label.textContent.trim());
    }
    for (const region of document.querySelectorAll(".live")) {
      set(region, "role", "status");
      set(region, "aria-live", "polite");
    }
  };

  const write = (ids, code) => {
    for (const id of ids) {
      codes[id] = code;
      apply(id);
    }
  };

  const watch = () => {
    announce();
    Object.keys(codes).forEach(apply);
  };

  new MutationObserver(watch).observe(document.documentElement, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["dir", "lang", "disabled", "readonly"],
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const panel = event.target.closest("[role=tabpanel]");
    const button = panel && panel.querySelector("button.go, .go button");
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    // The box tells its value to the page on input and change; let that happen before the click reads it.
    setTimeout(() => button.click(), 50);
  }, true);

  document.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.matches("[role=tab]")) return;
    const tabs = [...event.target.parentElement.querySelectorAll("[role=tab]")];
    const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
    next.click();
    next.focus();
  });

  // What is typed into a list replaces what is chosen there, instead of following it.
  document.addEventListener("click", (event) => {
    if (event.target.matches("input[role=combobox]")) event.target.select();
  });

  return { write };
})();
