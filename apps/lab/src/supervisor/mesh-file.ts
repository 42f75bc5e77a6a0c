import { createHash } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';

/** The file that all ztunnels read instead of asking a control plane. */
export class MeshFile {
  readonly path: string;
  #text: string | undefined;

  /** Nothing is written yet. */
  constructor(path: string) {
    this.path = path;
  }

  /** Replaces the file at once: who reads it just now gets the old or the new one, never half. Returns whether it has changed. */
  write(text: string): boolean {
    if (text === this.#text) return false;
    writeFileSync(`${this.path}.new`, text);
    renameSync(`${this.path}.new`, this.path);
    this.#text = text;
    return true;
  }

  /** What a ztunnel that has read it says that it has read. */
  get sha256(): string {
    return createHash('sha256')
      .update(this.#text ?? '')
      .digest('hex');
  }
}
