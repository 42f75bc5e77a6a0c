// Brings the workspace to life on a fresh clone: dependencies and the project's own Node from the registry.
// Plain JavaScript without dependencies, for Node 18 and newer: it runs before anything is installed.
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** npm writes it last, so an interrupted installation does not count. */
const installed = join(root, 'node_modules', '.package-lock.json');
const wanted = join(root, 'package-lock.json');
/** How long an interrupted npm may take to undo what it has begun. */
const GRACE_MS = 2_000;

/** What ends a command: by Ctrl-C, by another process, by the end of the terminal. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** The project's own Node, first on PATH for whatever is started here. */
export const node = join(root, 'node_modules', '.bin', 'node');
export const environment = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH ?? ''}` };

/** The exit code of a command that `signal` has ended, as in a shell. */
export function exitCodeOfSignal(signal) {
  return 128 + (constants.signals[signal] ?? 0);
}

/** Installs what is missing and says so; does nothing when all is there. Ends this process if it fails or is interrupted. */
export async function setUp() {
  if (existsSync(node) && existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return;
  const began = Date.now();
  const progress = showProgress('Setting up: dependencies and Node from the registry');
  const result = await run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], () => {
    progress.end('interrupted');
  });
  if (result.interruptedBy !== undefined) process.exit(exitCodeOfSignal(result.interruptedBy));
  progress.end(result.code === 0 ? `ready in ${Math.round((Date.now() - began) / 1000)} s` : 'failed');
  if (result.code !== 0) {
    process.stderr.write(result.output);
    process.stderr.write(
      'SETUP_FAILED: npm install: what it said is above (is the registry reachable, is this folder yours?)\n',
    );
    process.exit(1);
  }
}

function run(command, args, onInterrupt) {
  return new Promise((resolve) => {
    let output = '';
    let interruptedBy;
    // A group of its own: it gets Ctrl-C once, from here, and what it has started can be ended with it.
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const interrupt = (signal) => {
      // npm sends Ctrl-C once more to its scripts.
      if (interruptedBy !== undefined) return;
      interruptedBy = signal;
      onInterrupt();
      killGroup(child, signal);
      setTimeout(killGroup, GRACE_MS, child, 'SIGKILL').unref();
    };
    const end = (code) => {
      for (const signal of SIGNALS) process.off(signal, interrupt);
      resolve({ code, output, interruptedBy });
    };
    const collect = (chunk) => {
      output += chunk;
    };
    for (const signal of SIGNALS) process.on(signal, interrupt);
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => {
      output += `${error.message}\n`;
      end(1);
    });
    child.on('close', (code) => end(code));
  });
}

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended, or never began.
  }
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
