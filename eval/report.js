// The report's segment browser and its sortable tables. Text only ever becomes text nodes, so nothing a corpus holds can become markup.
"use strict";
(() => {
  const REFERENCE = -1;
  const WORDS = "words that differ, %";
  const LONGEST = 600; // words of a segment that are aligned; longer ones are compared as bags of words

  // --- building elements -----------------------------------------------------------------------------------------------------------
  const element = (tag, attributes = {}, ...content) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
    }
    node.append(...content);
    return node;
  };
  const option = (value, label) => element("option", { value: String(value) }, label);
  const labelled = (label, control) => element("label", {}, label, control);

  // --- words and their alignment ---------------------------------------------------------------------------------------------------
  const tokenizer = (language) => {
    try {
      const segmenter = new Intl.Segmenter(language || undefined, { granularity: "word" });
      return (text) => Array.from(segmenter.segment(text), (part) => part.segment);
    } catch {
      return (text) => text.match(/\s+|[\p{L}\p{M}\p{N}]+|[^\s]/gu) || [];
    }
  };
  const isSpace = (token) => /^\s+$/.test(token);

  /** Which tokens of each side are outside a longest common subsequence, and the share of both sides' words that are. */
  const compare = (first, second) => {
    const left = first.map((_, at) => at).filter((at) => !isSpace(first[at]));
    const right = second.map((_, at) => at).filter((at) => !isSpace(second[at]));
    const changed = [new Set(left), new Set(right)];
    let common = 0;
    if (left.length <= LONGEST && right.length <= LONGEST) {
      const width = right.length + 1;
      const best = new Uint16Array((left.length + 1) * width);
      for (let i = left.length - 1; i >= 0; i--) {
        for (let j = right.length - 1; j >= 0; j--) {
          const same = first[left[i]] === second[right[j]];
          best[i * width + j] = same ? best[(i + 1) * width + j + 1] + 1 : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
        }
      }
      for (let i = 0, j = 0; i < left.length && j < right.length;) {
        if (first[left[i]] === second[right[j]]) {
          changed[0].delete(left[i++]);
          changed[1].delete(right[j++]);
          common++;
        } else if (best[(i + 1) * width + j] >= best[i * width + j + 1]) i++;
        else j++;
      }
    } else {
      const counts = new Map();
      for (const at of right) counts.set(second[at], [...(counts.get(second[at]) || []), at]);
      for (const at of left) {
        const match = (counts.get(first[at]) || []).shift();
        if (match !== undefined) {
          changed[0].delete(at);
          changed[1].delete(match);
          common++;
        }
      }
    }
    const words = left.length + right.length;
    return { changed, share: words ? (100 * (words - 2 * common)) / words : 0 };
  };

  /** Tokens as text, runs of changed ones inside `tag` with a visible letter that says whose they are. */
  const marked = (tokens, changed, tag, letter, spoken) => {
    const nodes = [];
    let run = null;
    tokens.forEach((token, at) => {
      const between = isSpace(token) && run && changed.has(at + 1);
      if (changed.has(at) || between) {
        if (!run) {
          run = element(tag, { title: spoken }, element("sup", { class: "label" }, letter));
          nodes.push(run);
        }
        run.append(token);
      } else {
        run = null;
        nodes.push(document.createTextNode(token));
      }
    });
    return nodes;
  };

  /** A hypothesis with the error spans a metric marked; their places count code points. */
  const spanned = (text, spans) => {
    const characters = Array.from(text);
    const nodes = [];
    let at = 0;
    for (const [start, end, severity, confidence] of [...spans].sort((one, other) => one[0] - other[0])) {
      if (start < at || end <= start) continue;
      nodes.push(characters.slice(at, start).join(""));
      const sure = confidence === null ? "" : ` ${Math.round(100 * confidence)}%`;
      const inside = characters.slice(start, end).join("");
      nodes.push(element("mark", { title: severity + sure }, element("sup", { class: "label" }, severity + sure), inside));
      at = end;
    }
    nodes.push(characters.slice(at).join(""));
    return nodes;
  };

  // --- the browser -----------------------------------------------------------------------------------------------------------------
  const browser = (root, sets) => {
    const controls = {
      set: element("select", { id: "set" }, ...sets.map((one, index) => option(index, `${one.name} ${one.direction}`))),
      first: element("select", { id: "first" }),
      second: element("select", { id: "second" }),
      measure: element("select", { id: "measure" }),
      order: element("select", { id: "order" },
        option("difference", "largest difference"), option("first", "A better first"), option("second", "B better first"),
        option("lowest", "A's worst first"), option("number", "order of the test set")),
      query: element("input", { id: "query", type: "search", autocomplete: "off" }),
      diagnostic: element("select", { id: "diagnostic" }),
      document: element("select", { id: "document" }),
      least: element("input", { id: "least", type: "number", min: "0", step: "any", value: "0" }),
      mark: element("select", { id: "mark" }, option("words", "words that differ"), option("spans", "error spans")),
      size: element("select", { id: "size" }, ...[25, 50, 100].map((size) => option(size, String(size)))),
    };
    const labels = {
      set: "Test set", first: "System A", second: "System B", measure: "Difference in", order: "Order", query: "Search text",
      diagnostic: "Diagnostic, in A or B", document: "Document", least: "Least difference", mark: "Mark", size: "Segments a page",
    };
    const fields = Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, labelled(labels[name], control)]));
    const status = element("p", { role: "status", id: "status" });
    const note = element("p", { class: "note", id: "browser-note" });
    const list = element("div", { id: "segments" });
    const previous = element("button", { type: "button", id: "previous" }, "Previous page");
    const next = element("button", { type: "button", id: "next" }, "Next page");
    const pageInput = element("input", { type: "number", min: "1", id: "page" });
    const pager = element("nav", { class: "pager", "aria-label": "Pages of segments" }, previous, labelled("Page ", pageInput), next);
    const form = element("form", { class: "controls", role: "search", "aria-label": "Choose segments" }, ...Object.values(fields));
    root.append(form, note, status, list, pager);

    let set, tokens, differences, rows, page;

    const tokensOf = (segment, system) => {
      const key = `${segment[0]}:${system}`;
      if (!tokens.cache.has(key)) tokens.cache.set(key, tokens.split(textOf(segment, system)));
      return tokens.cache.get(key);
    };
    const textOf = (segment, system) => (system === REFERENCE ? segment[3][0] : segment[4][system]);
    const nameOf = (system) => (system === REFERENCE ? "reference" : set.systems[system]);
    const metric = () => set.metrics.findIndex((one) => one.name === controls.measure.value);
    const first = () => Number(controls.first.value);
    const second = () => Number(controls.second.value);

    /** How much better A is than B by the measure, null where a score is missing; for words, the share that differs. */
    const difference = (segment) => {
      const at = metric();
      if (at >= 0) {
        const [one, other] = [segment[5][at][first()], segment[5][at][second()]];
        return one === null || other === null ? null : (one - other) * (set.metrics[at].higher ? 1 : -1);
      }
      return compare(tokensOf(segment, first()), tokensOf(segment, second())).share;
    };

    const fill = (control, options, kept) => {
      const before = control.value;
      control.replaceChildren(...options);
      const values = options.map((one) => one.value);
      control.value = kept && values.includes(before) ? before : values[0];
    };

    const chooseSet = () => {
      set = sets[Number(controls.set.value) || 0];
      tokens = { split: tokenizer(set.target.lang), cache: new Map() };
      const systems = set.systems.map((name, index) => option(index, name));
      fill(controls.first, systems, false);
      fill(controls.second, [...set.systems.map((name, index) => option(index, name)), option(REFERENCE, "reference")], false);
      controls.second.value = set.systems.length > 1 ? "1" : String(REFERENCE);
      fill(controls.diagnostic, [option("", "any or none"), ...set.diagnostics.map(([name], index) => option(index, name))], false);
      fill(controls.document, [option("", "all"), ...set.documents.map((name, index) => option(index, name))], false);
      controls.mark.value = set.spans ? "spans" : "words";
      fields.set.hidden = sets.length < 2;
      fields.mark.hidden = !set.spans;
      fields.document.hidden = !set.documents.length;
      fields.diagnostic.hidden = !set.diagnostics.length;
      note.textContent = set.segments.length < set.total
        ? `${set.segments.length} of ${set.total} segments are in this page, to keep it small: those that tell systems apart most.` : "";
      chooseMeasure();
    };

    const chooseMeasure = () => {
      const metrics = second() === REFERENCE ? [] : set.metrics.map((one) => option(one.name, one.name));
      fill(controls.measure, [...metrics, option(WORDS, WORDS)], true);
      measure();
    };

    const measure = () => {
      differences = new Map(set.segments.map((segment) => [segment, difference(segment)]));
      filter();
    };

    const haystack = (segment) => [segment[2] || "", ...segment[3], textOf(segment, first()), textOf(segment, second())].join("\n");
    const folded = (text) => text.normalize("NFC").toLowerCase();

    const filter = () => {
      const query = folded(controls.query.value.trim());
      const least = Number(controls.least.value) || 0;
      const flag = controls.diagnostic.value === "" ? null : Number(controls.diagnostic.value);
      const documentIndex = controls.document.value === "" ? null : Number(controls.document.value);
      const flagged = (segment) => [first(), second()].some((system) => system !== REFERENCE && segment[6][system].includes(flag));
      rows = set.segments.filter((segment) =>
        (documentIndex === null || segment[1] === documentIndex) && (flag === null || flagged(segment))
        && Math.abs(differences.get(segment) ?? 0) >= least && (!query || folded(haystack(segment)).includes(query)));
      sortRows();
      page = 0;
      show();
    };

    const sortRows = () => {
      const at = Math.max(metric(), 0);
      const score = (segment) => {
        const scores = set.metrics.length ? segment[5][at] : null;
        const own = scores ? scores[first()] : null;
        return own === null ? Infinity : own * (set.metrics[at].higher ? 1 : -1);
      };
      const gap = (segment) => differences.get(segment) ?? 0;
      const keys = {
        difference: (segment) => -Math.abs(gap(segment)), first: (segment) => -gap(segment), second: (segment) => gap(segment),
        lowest: score, number: (segment) => segment[0],
      };
      const key = keys[controls.order.value];
      rows = rows.map((segment) => [key(segment), segment])
        .sort((one, other) => (one[0] === other[0] ? one[1][0] - other[1][0] : one[0] - other[0])).map(([, segment]) => segment);
    };

    const show = () => {
      const size = Number(controls.size.value);
      const pages = Math.max(1, Math.ceil(rows.length / size));
      page = Math.min(Math.max(page, 0), pages - 1);
      const shown = rows.slice(page * size, (page + 1) * size);
      list.replaceChildren(...shown.map(card));
      const range = shown.length ? `Segments ${page * size + 1} to ${page * size + shown.length} of ${rows.length}` : "No segment";
      status.textContent = `${range} that match, page ${page + 1} of ${pages}; ${set.segments.length} in all.`;
      previous.disabled = page === 0;
      next.disabled = page === pages - 1;
      pageInput.max = String(pages);
      pageInput.value = String(page + 1);
    };

    // --- one segment ---------------------------------------------------------------------------------------------------------------
    const card = (segment) => {
      const facts = [];
      if (segment[1] >= 0) facts.push(element("small", { dir: "auto" }, set.documents[segment[1]]));
      const gap = differences.get(segment);
      if (gap !== null) facts.push(element("small", {}, `${controls.measure.value}: ${signed(gap)}`));
      const lines = element("dl");
      if (segment[2] !== null) lines.append(element("dt", {}, "source"), words(set.source, [segment[2]], segment[2]));
      segment[3].forEach((text, index) => {
        lines.append(element("dt", {}, segment[3].length > 1 ? `reference ${index + 1}` : "reference"), words(set.target, [text], text));
      });
      if (first() !== REFERENCE) lines.append(...hypothesis(segment, first(), second(), 0));
      if (second() !== REFERENCE && second() !== first()) lines.append(...hypothesis(segment, second(), first(), 1));
      return element("article", { "data-segment": segment[0] }, element("h3", {}, `Segment ${segment[0]}`, ...facts), lines);
    };

    const signed = (gap) => (metric() < 0 ? gap.toFixed(1) : `${gap > 0 ? "A better by " : gap < 0 ? "B better by " : "equal, "}${short(Math.abs(gap))}`);
    const short = (value) => (Math.abs(value) < 10 ? value.toPrecision(3) : value.toFixed(1));

    const hypothesis = (segment, system, other, side) => {
      const letter = "AB"[side];
      const scores = set.metrics.map((one, at) => [one.name, segment[5][at][system]]).filter(([, value]) => value !== null)
        .map(([name, value]) => `${name} ${short(value)}`).join(", ");
      const title = element("dt", {}, element("b", {}, letter), " ", element("bdi", {}, set.systems[system]));
      if (scores) title.append(element("br"), element("small", {}, scores));
      const text = textOf(segment, system);
      const spans = segment[7] ? segment[7][system] : [];
      let nodes;
      if (controls.mark.value === "spans" && set.spans) nodes = spanned(text, spans);
      else {
        const mine = tokensOf(segment, system);
        const { changed } = compare(mine, tokensOf(segment, other));
        nodes = marked(mine, changed[0], side ? "ins" : "del", letter, `only in ${letter}`);
      }
      const line = words(set.target, nodes, text);
      const flags = segment[6][system].map((index) => {
        const [name, meaning] = set.diagnostics[index];
        return element("span", { class: "flag", "data-name": name, title: meaning, dir: "ltr", lang: "en" }, name);
      });
      if (flags.length) title.append(element("br"), ...flags);
      return [title, line];
    };

    const words = (language, nodes, text) => (text.trim()
      ? element("dd", { dir: language.dir, lang: language.lang || null }, ...nodes)
      : element("dd", { class: "empty" }, "empty"));

    form.addEventListener("submit", (event) => event.preventDefault());
    controls.set.addEventListener("change", chooseSet);
    controls.first.addEventListener("change", chooseMeasure);
    controls.second.addEventListener("change", chooseMeasure);
    controls.measure.addEventListener("change", measure);
    for (const name of ["order", "diagnostic", "document", "size"]) controls[name].addEventListener("change", filter);
    controls.mark.addEventListener("change", show);
    for (const name of ["query", "least"]) controls[name].addEventListener("input", filter);
    const turn = (to) => {
      page = to;
      show();
      status.scrollIntoView({ block: "start" });
    };
    previous.addEventListener("click", () => turn(page - 1));
    next.addEventListener("click", () => turn(page + 1));
    pageInput.addEventListener("change", () => turn((Number(pageInput.value) || 1) - 1));
    chooseSet();
  };

  // --- sortable tables ---------------------------------------------------------------------------------------------------------------
  const sortable = (table) => {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const button = element("button", { type: "button" }, ...header.childNodes);
      header.replaceChildren(button);
      button.addEventListener("click", () => {
        const descending = header.getAttribute("aria-sort") !== "descending";
        for (const each of headers) each.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
        const order = (one, other) => {
          const [left, right] = [value(one), value(other)];
          const numbers = left !== "" && right !== "" && !Number.isNaN(Number(left)) && !Number.isNaN(Number(right));
          return numbers ? Number(left) - Number(right) : left.localeCompare(right);
        };
        const rows = [...table.tBodies[0].rows].sort(order);
        table.tBodies[0].append(...(descending ? rows.reverse() : rows));
      });
    });
  };

  document.querySelectorAll("table[data-sortable]").forEach(sortable);
  const root = document.getElementById("browser");
  const sets = JSON.parse(document.getElementById("data").textContent);
  if (sets.length) browser(root, sets);
})();
