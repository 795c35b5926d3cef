/** Upload of files and folders: one request a file, one plain answer a file. */
const formToken = document.querySelector<HTMLMetaElement>('meta[name="form-token"]')!.content;
const rows = document.querySelector<HTMLTableSectionElement>("#rows")!;
const zone = document.querySelector<HTMLElement>(".zone")!;
const summary = document.querySelector<HTMLElement>("#summary")!;

interface Answer {
  taken: boolean;
  words: string;
}

function addRow(file: File): (words: string, kind: string) => void {
  const row = rows.insertRow();
  row.insertCell().textContent = file.name;
  const size = row.insertCell();
  size.className = "number";
  size.textContent = `${(file.size / 1e6).toFixed(1)} MB`;
  const told = document.createElement("span");
  told.className = "tag";
  told.textContent = "Waiting";
  row.insertCell().append(told);
  return (words, kind) => {
    told.className = `tag ${kind}`;
    told.textContent = words;
  };
}

async function send(file: File): Promise<Answer> {
  const answer = await fetch("/upload", {
    method: "POST",
    headers: { "x-form-token": formToken, "content-type": "application/octet-stream" },
    body: file,
  });
  const body = (await answer.json()) as { words?: string; detail?: string };
  return { taken: answer.ok, words: body.words ?? body.detail ?? `The site answered ${answer.status}` };
}

async function sendAll(files: File[]): Promise<void> {
  let taken = 0;
  for (const file of files) {
    const tell = addRow(file);
    tell("Sending", "");
    try {
      const answer = await send(file);
      taken += Number(answer.taken);
      tell(answer.words, answer.taken ? "good" : "bad");
    } catch {
      tell("Not sent: the site does not answer. Try this file again.", "bad");
    }
  }
  summary.textContent = `${taken} of ${files.length} files taken in.`;
}

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

document.querySelectorAll<HTMLInputElement>('input[type="file"]').forEach((input) => {
  input.addEventListener("change", () => void sendAll([...(input.files ?? [])]));
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
  void Promise.all(entries.map(walk)).then((files) => sendAll(files.flat()));
});
