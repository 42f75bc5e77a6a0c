#!/usr/bin/env node
// Starts the lab's command line with the project's own Node, or with this one where it is new enough: the sources are
// TypeScript, which Node runs as it is from 22.18 on. Plain JavaScript, so that any Node can read it.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(realpathSync(fileURLToPath(import.meta.url)));
const own = join(here, '../../../node_modules/.bin/node');
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const node = existsSync(own) ? own : process.execPath;
if (node !== own && (major < 22 || (major === 22 && minor < 19))) {
  process.stderr.write(
    `lab: Node ${process.versions.node} is too old and the project's own is missing (npm install)\n`,
  );
  process.exit(1);
}

const args = ['--conditions=@ambientmesh/source', join(here, '../src/main.ts'), ...process.argv.slice(2)];
// oxlint-disable-next-line node/no-process-env -- the child gets all of this process's environment
const env = { ...process.env, LAB_LIFELINE_FD: '3' };
// The extra pipe closes when this process ends, however that happens: the command line then ends its lab.
const child = spawn(node, args, {
  stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  env,
});
child.on('error', (error) => {
  process.stderr.write(`lab: ${node}: ${error.message}\n`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
// Ctrl-C reaches the child by the terminal too; it takes a second one for the first.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
