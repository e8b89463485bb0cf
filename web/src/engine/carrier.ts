// Gets the program that brings files up when there is something to bring, and tells it what it missed. What must not live
// here: how files get up (upload.ts).
import type { Api } from './api';
import type { Outbox } from './outbox';
import type { Uploader, UploadHooks } from './upload';

export class Carrier {
  private uploader: Uploader | undefined;
  private awake = false;
  private coming: Promise<void> | undefined;

  constructor(
    private readonly outbox: Outbox,
    private readonly api: Api,
    private readonly hooks: UploadHooks,
    private readonly random?: () => number,
  ) {}

  welcome(): void {
    this.awake = true;
    if (this.uploader) this.uploader.welcome();
    else void this.kick();
  }

  sleep(): void {
    this.awake = false;
    this.uploader?.sleep();
  }

  stop(): void {
    this.awake = false;
    this.uploader?.stop();
  }

  sent(clientIds: readonly string[]): void {
    this.uploader?.sent(clientIds);
  }

  async kick(): Promise<void> {
    if (this.uploader) return this.uploader.kick();
    if (!this.awake || this.coming) return;
    if (!(await this.outbox.rows()).some((row) => row.file && !row.file.up)) return;
    this.coming ??= this.fetch().finally(() => (this.coming = undefined));
  }

  private async fetch(): Promise<void> {
    try {
      const [{ Uploader }, { FileRoutes }] = await Promise.all([import('./upload'), import('./fileroutes')]);
      this.uploader ??= new Uploader(this.outbox, new FileRoutes(this.api), this.hooks, this.random);
      if (this.awake) this.uploader.welcome();
    } catch {
      // It could not be fetched; the next welcome, or the next file, tries again.
    }
  }
}
