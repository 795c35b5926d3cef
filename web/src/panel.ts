/** The list of a person's marks beside the slide: how many of each class, and each mark to go to or remove. */
import type { Mark } from "./marks";

const MOST_ROWS = 100; // around the current one; a list of thousands is slow and of no use

export interface Doings {
  colour: (code: string) => string;
  goTo: (mark: Mark) => void;
  remove: (mark: Mark) => void;
}

/** Show the marks; `counts` is told how many there are of each class. */
export function showPanel(list: HTMLElement, counts: HTMLElement, marks: Mark[], current: string | null, doings: Doings): void {
  const number = new Map<string, number>();
  for (const mark of marks) number.set(mark.code, (number.get(mark.code) ?? 0) + 1);
  const each = [...number].map(([code, times]) => `${code} ${times}`).join(", ");
  counts.textContent = marks.length ? `${marks.length}: ${each}` : "None yet. Choose a class, then draw a box or set a point.";
  const at = Math.max(0, marks.findIndex((mark) => mark.label_id === current));
  const from = Math.max(0, Math.min(at - MOST_ROWS / 2, marks.length - MOST_ROWS));
  const shown = marks.slice(from, from + MOST_ROWS);
  list.replaceChildren(...shown.map((mark, index) => row(mark, from + index + 1, mark.label_id === current, doings)));
  const here = list.querySelector<HTMLElement>("[aria-current]");
  if (here) list.scrollTop = here.offsetTop - list.offsetTop - list.clientHeight / 2; // scrollIntoView would move the page too
}

function row(mark: Mark, number: number, isCurrent: boolean, doings: Doings): HTMLLIElement {
  const item = document.createElement("li");
  if (isCurrent) item.setAttribute("aria-current", "true");
  const swatch = document.createElement("b");
  swatch.style.background = doings.colour(mark.code);
  const go = button(`${number}. ${mark.code}, ${mark.shape}`, () => doings.goTo(mark));
  const drop = button("Remove", () => doings.remove(mark));
  drop.setAttribute("aria-label", `Remove label ${number}`);
  item.append(swatch, go, drop);
  return item;
}

function button(words: string, act: () => void): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  made.addEventListener("click", act);
  return made;
}
