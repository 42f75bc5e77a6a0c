import type { Events, Fields } from './contract.ts';

/** What happened, as plain data. DATA of one stream in a row is one entry, however it was cut. */
export type RecordedEvent =
  | { readonly type: 'data'; readonly id: number; readonly text: string; readonly last: boolean }
  | { readonly type: 'headers'; readonly id: number; readonly fields: Fields; readonly last: boolean }
  | { readonly type: 'reset'; readonly id: number; readonly code: number; readonly local: boolean }
  | { readonly type: 'goaway'; readonly last: number; readonly code: number }
  | { readonly type: 'writable'; readonly id: number }
  | { readonly type: 'settings' }
  | { readonly type: 'pong'; readonly number: number }
  | { readonly type: 'fatal'; readonly code: number };

/** Writes down the events of a codec, for tests and fuzzing. Payload is kept as latin1 text. */
export class EventRecorder implements Events {
  readonly events: RecordedEvent[] = [];

  data(...[id, memory, start, end, last]: Parameters<Events['data']>): void {
    const piece = Buffer.from(memory.buffer, memory.byteOffset + start, end - start).toString('latin1');
    const before = this.events.at(-1);
    if (before?.type !== 'data' || before.id !== id || before.last) {
      this.events.push({ type: 'data', id, text: piece, last });
      return;
    }
    this.events[this.events.length - 1] = { type: 'data', id, text: before.text + piece, last };
  }

  headers(id: number, fields: Fields, last: boolean): void {
    this.events.push({ type: 'headers', id, fields, last });
  }

  reset(id: number, code: number, local: boolean): void {
    this.events.push({ type: 'reset', id, code, local });
  }

  goaway(last: number, code: number): void {
    this.events.push({ type: 'goaway', last, code });
  }

  writable(id: number): void {
    this.events.push({ type: 'writable', id });
  }

  settings(): void {
    this.events.push({ type: 'settings' });
  }

  pong(number: number): void {
    this.events.push({ type: 'pong', number });
  }

  fatal(...[code]: Parameters<Events['fatal']>): void {
    this.events.push({ type: 'fatal', code });
  }

  /** What was recorded since the last call. */
  take(): RecordedEvent[] {
    return this.events.splice(0);
  }
}
