/** Downloads of models, as the server tells of them: a stream of events while any is under way. */

import * as api from "./api";
import type { Job } from "./api";

const ENDED = new Set(["done", "failed", "cancelled"]);

type Listener = (job: Job) => void;

export class Jobs {
  /** The latest job of each model, by its slug. */
  readonly bySlug = new Map<string, Job>();
  private stream: EventSource | null = null;

  constructor(private readonly changed: Listener) {}

  static isActive(job: Job | undefined): boolean {
    return job !== undefined && !ENDED.has(job.state);
  }

  /** Ask what there is, and listen while something is under way. */
  async refresh(): Promise<void> {
    const found = await api.downloads();
    this.bySlug.clear();
    for (const job of found) this.bySlug.set(job.slug, job);
    this.listen();
  }

  /** Take in what the server answered about a job. */
  take(job: Job): void {
    const before = this.bySlug.get(job.slug);
    if (job.state === "cancelled") this.bySlug.delete(job.slug);
    else this.bySlug.set(job.slug, job);
    if (!before || before.id !== job.id || before.state !== job.state || !ENDED.has(job.state)) this.changed(job);
    this.listen();
  }

  async start(model: string, accept: boolean): Promise<void> {
    this.take(await api.download(model, accept));
  }

  async pause(job: Job): Promise<void> {
    this.take(await api.pause(job.id));
  }

  async resume(job: Job): Promise<void> {
    this.take(await api.resume(job.id));
  }

  async cancel(job: Job): Promise<void> {
    await api.cancel(job.id);
    this.take({ ...job, state: "cancelled" });
  }

  /** Is any job one that goes on by itself? */
  private get lively(): boolean {
    return [...this.bySlug.values()].some((job) => Jobs.isActive(job) && job.state !== "paused");
  }

  private listen(): void {
    if (!this.lively) {
      this.stream?.close();
      this.stream = null;
      return;
    }
    if (this.stream) return;
    this.stream = new EventSource("/api/downloads/events");
    this.stream.addEventListener("progress", (event) => {
      const said = JSON.parse((event as MessageEvent<string>).data) as Job | { download: Job };
      this.take("download" in said ? said.download : said);
    });
  }
}
