/** Labels on their way to the site: one at a time, in order, each tried again until the site has it. */
import type { Mark } from "./marks";

export interface Change {
  mark: Mark;
  retracted: boolean;
}

export type Standing = "saved" | "busy" | "away" | "refused";

const AGAIN_MS = 2000;

export class Outbox {
  private readonly waiting: Change[] = [];
  private running = false;
  private wake: () => void = () => undefined;
  private token = meta("form-token");

  /** `tell` shows where saving stands; `refused` takes back what the site will never take. */
  constructor(
    private readonly address: string,
    private readonly image: { series: string; sop: string },
    private readonly tell: (words: string, standing: Standing) => void,
    private readonly refused: (change: Change) => void,
  ) {
    addEventListener("beforeunload", (event) => {
      if (this.waiting.length) event.preventDefault();
    });
    addEventListener("online", () => this.retry());
  }

  add(mark: Mark, retracted = false): void {
    this.waiting.push({ mark: structuredClone(mark), retracted });
    if (!this.running) void this.drain();
  }

  /** Do not wait for the next try. */
  retry(): void {
    this.wake();
  }

  private async drain(): Promise<void> {
    this.running = true;
    let [complaint, away] = ["", false];
    while (this.waiting.length) {
      if (!away) this.tell("Saving …", "busy"); // while it is tried again the message and its button stay
      const answer = await this.post(this.waiting[0]!).catch(() => null);
      away = !answer || answer.status >= 500 || [401, 403, 429].includes(answer.status);
      if (answer?.ok) this.waiting.shift();
      else if (answer && (answer.status === 401 || answer.status === 403)) {
        this.tell(`${this.kept()}: you are signed out. Sign in again in another tab, as ${meta("person")}.`, "away");
        await this.pause();
        await this.renew();
      } else if (answer && answer.status < 500 && answer.status !== 429) {
        const said = (await answer.json().catch(() => ({}))) as { detail?: string };
        complaint = `Not saved, and taken back: ${said.detail ?? answer.status}`;
        this.refused(this.waiting.shift()!);
      } else {
        this.tell(`${this.kept()}: the site does not answer. Trying again; keep this page open.`, "away");
        await this.pause();
      }
    }
    this.running = false;
    this.tell(complaint || "Saved", complaint ? "refused" : "saved");
  }

  private kept(): string {
    return `${this.waiting.length} change${this.waiting.length === 1 ? "" : "s"} not saved yet`;
  }

  private post({ mark, retracted }: Change): Promise<Response> {
    return fetch(this.address, {
      method: "POST",
      headers: { "content-type": "application/json", "x-form-token": this.token },
      body: JSON.stringify({ ...mark, retracted, ...this.image }),
    });
  }

  private pause(): Promise<void> {
    return new Promise((again) => {
      const timer = setTimeout(again, AGAIN_MS);
      this.wake = () => {
        clearTimeout(timer);
        again();
      };
    });
  }

  /** The form token of a new session, if the same person signed in again; a label is never saved under another's name. */
  private async renew(): Promise<void> {
    const text = await fetch(location.href, { headers: { accept: "text/html" } }).then((it) => it.text()).catch(() => "");
    const page = new DOMParser().parseFromString(text, "text/html");
    if (meta("person", page) === meta("person")) this.token = meta("form-token", page);
  }
}

function meta(name: string, page: Document = document): string {
  return page.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? "";
}
