"use strict";
(() => {
  const root = document.documentElement;
  const kept = {
    get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (name) => { try { localStorage.setItem("theme", name); } catch { /* not kept */ } },
  };
  const dark = () => root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  if (kept.get() === "dark" || kept.get() === "light") root.dataset.theme = kept.get();

  document.addEventListener("DOMContentLoaded", () => {
    colours(document.querySelector(".theme"));
    search(document.querySelector(".search"));
  });

  function colours(button) {
    const show = () => button.setAttribute("aria-pressed", String(dark()));
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      kept.set(root.dataset.theme);
      show();
    });
  }

  // Tables first, then what is nearer to what was typed.
  const ranks = { table: 0, view: 1, "materialized view": 1, migration: 2, column: 3 };
  const SHOWN = 40;

  function find(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const found = [];
    for (const entry of window.schemaBook) {
      const [kind, name, beside] = entry;
      const low = name.toLowerCase();
      const all = `${low} ${kind} ${beside.toLowerCase()}`;
      if (!words.every((word) => all.includes(word))) continue;
      const last = low.slice(low.lastIndexOf(".") + 1);
      const first = words[0];
      let rank = low === text || last === first ? 0
        : last.startsWith(first) || low.startsWith(first) ? 10
        : low.includes(first) ? 20 : 30;
      rank += ranks[kind] ?? 5;
      found.push([rank, entry]);
    }
    found.sort((a, b) => a[0] - b[0] || (a[1][1] < b[1][1] ? -1 : 1));
    return found.map(([, entry]) => entry);
  }

  function search(box) {
    const input = box.querySelector("input");
    const list = box.querySelector("ul");
    const heard = box.querySelector("[role=status]");
    const base = document.body.dataset.root;
    let chosen = -1;
    box.hidden = false;

    const choose = (place) => {
      const items = list.children;
      if (!items.length) return;
      chosen = (place + items.length) % items.length;
      for (const [at, item] of [...items].entries()) {
        item.setAttribute("aria-selected", String(at === chosen));
      }
      input.setAttribute("aria-activedescendant", items[chosen].id);
      items[chosen].scrollIntoView({ block: "nearest" });
    };
    const close = () => {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    };
    const go = (item) => { close(); location.href = item.dataset.to; };

    input.addEventListener("input", () => {
      const all = find(input.value.trim());
      list.replaceChildren(...all.slice(0, SHOWN).map((entry, at) => line(entry, at)));
      const more = all.length > SHOWN ? `, the first ${SHOWN} are shown` : "";
      heard.textContent = input.value.trim() ? `${all.length} found${more}` : "";
      if (!all.length) return close();
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      choose(0);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") choose(chosen + 1);
      else if (event.key === "ArrowUp") choose(chosen - 1);
      else if (event.key === "Enter" && !list.hidden) go(list.children[chosen]);
      else if (event.key === "Escape") { input.value = ""; close(); return; }
      else return;
      event.preventDefault();
    });
    list.addEventListener("mousedown", (event) => {
      const item = event.target.closest("li");
      if (item) { event.preventDefault(); go(item); }
    });
    input.addEventListener("blur", close);
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.focus();
      input.select();
    });

    // Only text is put in: a name may hold anything.
    function line([kind, name, beside, page], at) {
      const item = document.createElement("li");
      item.id = `found-${at}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.dataset.to = `${base}/${page}`;
      const word = input.value.trim().split(/\s+/)[0].toLowerCase();
      const start = name.toLowerCase().indexOf(word);
      const shown = document.createElement("span");
      shown.className = "name";
      if (start < 0) shown.textContent = name;
      else {
        const mark = document.createElement("mark");
        mark.textContent = name.slice(start, start + word.length);
        shown.append(name.slice(0, start), mark, name.slice(start + word.length));
      }
      const what = document.createElement("span");
      what.className = "what";
      what.textContent = kind;
      const more = document.createElement("span");
      more.className = "beside";
      more.textContent = beside;
      item.append(shown, what, more);
      return item;
    }
  }
})();
