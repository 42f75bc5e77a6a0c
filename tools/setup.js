// Brings the workspace to life on a fresh clone: dependencies and the project's own Node from the registry.
// Plain JavaScript without dependencies, for Node 18 and newer: it runs before anything is installed.
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** npm writes it last, so an interrupted installation does not count. */
const installed = join(root, 'node_modules', '.package-lock.json');
const wanted = join(root, 'package-lock.json');

/** The project's own Node, first on PATH for whatever is started here. */
export const node = join(root, 'node_modules', '.bin', 'node');
export const environment = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH ?? ''}` };

/** Installs what is missing and says so; does nothing when all is there. */
export async function setUp() {
  if (existsSync(node) && existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return;
  const began = Date.now();
  const progress = showProgress('Setting up: dependencies and Node from the registry');
  const result = await run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']);
  progress.end(result.code === 0 ? `ready in ${Math.round((Date.now() - began) / 1000)} s` : 'failed');
  if (result.code !== 0) {
    process.stderr.write(result.output);
    process.stderr.write(
      'SETUP_FAILED: npm install: what it said is above (is the registry reachable, is this folder yours?)\n',
    );
    process.exit(1);
  }
}

function run(command, args) {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const collect = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => resolve({ code: 1, output: `${error.message}\n` }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** One line that counts the seconds on a terminal; one line in all elsewhere. */
function showProgress(text) {
  const terminal = process.stderr.isTTY;
  const began = Date.now();
  const draw = () => process.stderr.write(`\r${text} … ${Math.round((Date.now() - began) / 1000)} s`);
  process.stderr.write(terminal ? text : `${text}\n`);
  const timer = terminal ? setInterval(draw, 500) : undefined;
  return {
    end(outcome) {
      clearInterval(timer);
      process.stderr.write(terminal ? `\r${text}: ${outcome}\u001b[K\n` : `${outcome}\n`);
    },
  };
}
