// A file's routes: bringing it in pieces, having it, a conversation's list. What must not live here: when they are called
// (upload.ts), and what becomes of the bytes.
import type { BlobId, FilePage, NewUpload, Storage, UploadInfo } from '../proto';
import type { Api } from './api';
import { Lost, Refused } from './refusal';

/** Answers without a file's bytes. */
const PATIENCE_MS = 20_000;
/** A piece of a file; the server itself gives a slow one half of it. */
const PIECE_MS = 60_000;
export const FILE_KINDS = ['image', 'video', 'audio', 'voice', 'file'] as const;
export type FileKind = (typeof FILE_KINDS)[number];

export class FileRoutes {
  constructor(private readonly api: Api) {}

  begin(body: NewUpload, stop?: AbortSignal): Promise<UploadInfo> {
    return this.json('POST', 'uploads', stop, { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
  }
  stands(upload: string, stop?: AbortSignal): Promise<UploadInfo> {
    return this.json('GET', `uploads/${upload}`, stop);
  }
  bring(upload: string, offset: number, bytes: ArrayBuffer, stop?: AbortSignal): Promise<UploadInfo> {
    const headers = { 'Upload-Offset': String(offset), 'Content-Type': 'application/octet-stream' };
    return this.json('PUT', `uploads/${upload}`, stop, { body: bytes, headers }, PIECE_MS);
  }
  async giveUp(upload: string): Promise<void> {
    await this.json('DELETE', `uploads/${upload}`);
  }
  storage(): Promise<Storage> {
    return this.json('GET', 'uploads');
  }
  list(conversation: string, kind: FileKind | undefined, before?: number): Promise<FilePage> {
    const query = new URLSearchParams({ limit: '50' });
    if (kind) query.set('kind', kind);
    if (before !== undefined) query.set('before', String(before));
    return this.json('GET', `conversations/${conversation}/files?${query}`);
  }

  /** `heard` is told how many bytes are here. The browser may keep it: a file never changes. */
  async file(blob: BlobId, small = false, heard?: (bytes: number) => void, stop?: AbortSignal): Promise<Blob> {
    const path = `blobs/${blob}${small ? '/thumbnail' : ''}`;
    const headers: Record<string, string> = this.api.token ? { Authorization: `Bearer ${this.api.token}` } : {};
    try {
      const response = await this.api.http(`${this.api.base}/api/v1/${path}`, { headers, credentials: 'omit', ...(stop ? { signal: stop } : {}) });
      if (!response.ok) throw await refusal(response);
      const type = response.headers.get('Content-Type') ?? '';
      if (!heard || !response.body) return await response.blob();
      return new Blob(await pieces(response.body, heard), { type });
    } catch (error) {
      throw error instanceof Refused ? error : new Lost(String(error));
    }
  }

  private async json<T>(method: string, path: string, stop?: AbortSignal, more: RequestInit = {}, patience = PATIENCE_MS): Promise<T> {
    const cut = new AbortController();
    const timer = setTimeout(() => cut.abort(), patience);
    const stopped = () => cut.abort();
    stop?.addEventListener('abort', stopped);
    try {
      const headers = { ...more.headers, ...(this.api.token ? { Authorization: `Bearer ${this.api.token}` } : {}) };
      const init: RequestInit = { ...more, method, headers, signal: cut.signal, cache: 'no-store', credentials: 'omit' };
      const response = await this.api.http(`${this.api.base}/api/v1/${path}`, init);
      if (!response.ok) throw await refusal(response);
      return (response.status === 204 ? undefined : await response.json()) as T;
    } catch (error) {
      throw error instanceof Refused ? error : new Lost(String(error));
    } finally {
      clearTimeout(timer);
      stop?.removeEventListener('abort', stopped);
    }
  }
}

async function refusal(response: Response): Promise<Error> {
  const body: unknown = await response.json().catch(() => undefined);
  return Refused.from(body) ?? new Lost(`the answer was ${response.status}`);
}

async function pieces(body: ReadableStream<Uint8Array>, heard: (bytes: number) => void): Promise<BlobPart[]> {
  const reader = body.getReader();
  const all: BlobPart[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return all;
    all.push(value as BlobPart);
    bytes += value.byteLength;
    heard(bytes);
  }
}
