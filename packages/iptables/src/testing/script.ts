import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A program for the length of a test. */
export function openScript(body: string): { readonly path: string } & Disposable {
  const directory = mkdtempSync(join(tmpdir(), 'iptables-script-'));
  const path = join(directory, 'program');
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return { path, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}
