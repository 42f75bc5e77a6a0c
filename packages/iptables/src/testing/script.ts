import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A program for the length of a test. */
export function openScript(body: string): { readonly path: string } & Disposable {
  const { directory, ...rest } = openPrograms({ program: body });
  return { path: join(directory, 'program'), ...rest };
}

/** A directory of programs, by name, for the length of a test. */
export function openPrograms(bodies: Readonly<Record<string, string>>): { readonly directory: string } & Disposable {
  const directory = mkdtempSync(join(tmpdir(), 'iptables-programs-'));
  for (const [name, body] of Object.entries(bodies))
    writeFileSync(join(directory, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}
