/** Upload of files and folders: three at a time, each with its progress, its answer, and what became of it at the door. */
const formToken = document.querySelector<HTMLMetaElement>('meta[name="form-token"]')!.content;
const rows = document.querySelector<HTMLTableSectionElement>("#rows")!;
const zone = document.querySelector<HTMLElement>(".zone")!;
const summary = document.querySelector<HTMLElement>("#summary")!;

const AT_ONCE = 3;
const MOST_NAMES = 50;
const LOOK_AGAIN_MS = 1000;

interface Answer {
  ok: boolean;
  words: string;
  name: string; // what the site calls the file from now on
}

interface Row {
  tell: (words: string, tone: string) => void;
  progress: (share: number) => void;
}

const pending = new Map<string, Row>(); // taken in, fate not known yet
const queue: { file: File; row: Row }[] = [];
const counts = { all: 0, taken: 0, admitted: 0, held: 0, refused: 0 };
let sending = 0;

function addRow(file: File): Row {
  const row = rows.insertRow();
  row.insertCell().textContent = file.webkitRelativePath || file.name;
  const size = row.insertCell();
  size.className = "number";
  size.textContent = file.size < 1e5 ? `${Math.ceil(file.size / 1e3)} kB` : `${(file.size / 1e6).toFixed(1)} MB`;
  const told = document.createElement("span");
  told.className = "tag wide";
  told.textContent = "Waiting";
  const bar = document.createElement("progress");
  bar.setAttribute("aria-label", `Sending ${file.name}`);
  bar.max = 1;
  bar.hidden = true;
  row.insertCell().append(told, bar);
  return {
    tell: (words, tone) => {
      told.className = `tag wide ${tone}`;
      told.textContent = words;
      bar.hidden = true;
    },
    progress: (share) => {
      bar.hidden = false;
      bar.value = share;
    },
  };
}

/** One file; fetch cannot tell how far it is. */
function send(file: File, progress: (share: number) => void): Promise<Answer> {
  return new Promise((take, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/upload");
    request.setRequestHeader("x-form-token", formToken);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => progress(event.loaded / Math.max(1, event.total)));
    request.addEventListener("load", () => {
      const body = (request.response ?? {}) as { words?: string; detail?: string; name?: string };
      const words = body.words ?? body.detail ?? `The site answered ${request.status}`;
      take({ ok: request.status < 300, words, name: body.name ?? "" });
    });
    request.addEventListener("error", fail);
    request.send(file);
  });
}

async function sendNext(): Promise<void> {
  const next = queue.shift();
  if (!next) return;
  const { file, row } = next;
  sending += 1;
  row.tell("Sending", "");
  try {
    const answer = await send(file, row.progress);
    row.tell(answer.words, answer.ok ? "" : "bad");
    if (answer.ok) {
      counts.taken += 1;
      pending.set(answer.name, row);
      if (pending.size === 1) void follow();
    } else counts.refused += 1;
  } catch {
    counts.refused += 1;
    row.tell("Not sent: the site does not answer. Try this file again.", "bad");
  }
  sending -= 1;
  sum();
  void sendNext();
}

/** Ask what became of the files until each is settled. */
async function follow(): Promise<void> {
  while (pending.size) {
    const asked = [...pending.keys()].slice(0, MOST_NAMES);
    const query = new URLSearchParams(asked.map((name) => ["name", name]));
    const answer = await fetch(`/upload/state?${query}`).then((it) => it.json()).catch(() => null);
    const files = ((answer as { files?: object } | null)?.files ?? {}) as Record<string, { words: string; tone: string; settled: boolean }>;
    for (const [name, fate] of Object.entries(files)) {
      if (!fate.settled) continue;
      pending.get(name)?.tell(fate.words, fate.tone);
      pending.delete(name);
      counts[fate.tone === "bad" || fate.tone === "warn" ? "held" : "admitted"] += 1;
    }
    sum();
    if (pending.size) await new Promise((again) => setTimeout(again, LOOK_AGAIN_MS));
  }
}

function sum(): void {
  const words = [`${counts.taken} of ${counts.all} files taken in`, `${counts.admitted} admitted`];
  if (counts.held) words.push(`${counts.held} held or not needed`);
  if (counts.refused) words.push(`${counts.refused} not taken`);
  summary.textContent = `${words.join(", ")}.`;
}

function take(files: File[]): void {
  document.querySelector<HTMLElement>("#answers")!.hidden = false;
  counts.all += files.length;
  queue.push(...files.map((file) => ({ file, row: addRow(file) })));
  sum();
  while (sending < AT_ONCE && queue.length) void sendNext();
}

addEventListener("beforeunload", (event) => {
  if (sending || queue.length) event.preventDefault();
});

async function walk(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) return [await new Promise<File>((take, fail) => (entry as FileSystemFileEntry).file(take, fail))];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: File[] = [];
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((take, fail) => reader.readEntries(take, fail));
    if (!batch.length) return found;
    for (const inner of batch) found.push(...(await walk(inner)));
  }
}

/** One file, side by side, before it is sent: the site runs de-identification and keeps nothing. */
async function preview(file: File): Promise<void> {
  const told = document.querySelector<HTMLElement>("#preview-words")!;
  const table = document.querySelector<HTMLElement>("#preview-table")!;
  const body = document.querySelector<HTMLTableSectionElement>("#preview-rows")!;
  told.textContent = "Being looked at ...";
  table.hidden = true;
  const headers = { "x-form-token": formToken, "content-type": "application/octet-stream" };
  const answer = await fetch("/upload/preview", { method: "POST", headers, body: file }).then((it) => it.json()).catch(() => null);
  const found = (answer ?? { words: "The site does not answer." }) as { words?: string; detail?: string; changes?: string[][] };
  told.textContent = found.words ?? found.detail ?? "The site does not answer.";
  body.replaceChildren();
  for (const cells of found.changes ?? []) {
    const row = body.insertRow();
    if (cells[2] !== cells[3]) row.className = "changed";
    cells.forEach((text) => (row.insertCell().textContent = text));
    row.cells[0].className = "nowrap";
  }
  table.hidden = !found.changes?.length;
}

document.querySelector<HTMLInputElement>("#preview")!.addEventListener("change", (event) => {
  const file = (event.target as HTMLInputElement).files?.[0];
  if (file) void preview(file);
});

document.querySelectorAll<HTMLInputElement>("#files, #folder").forEach((input) => {
  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    input.value = "";
  });
});
zone.addEventListener("dragover", (event) => {
  event.preventDefault();
  zone.classList.add("over");
});
zone.addEventListener("dragleave", () => zone.classList.remove("over"));
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  zone.classList.remove("over");
  const entries = [...(event.dataTransfer?.items ?? [])].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  void Promise.all(entries.map(walk)).then((files) => take(files.flat()));
});
