// `npm run demo`: installs the workspace if it has not been, then starts the lab's demo with the project's own Node.
// Plain JavaScript without dependencies: it runs before anything is installed, on Node 18 and newer.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { environment, exitCodeOfSignal, node, SIGNALS, setUp } from './setup.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const SPINNER_MS = 100;
/** A line now and then, so that a log shows that something goes on. */
const PLAIN_PROGRESS_MS = 15_000;
const SBIN = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
const NEEDED = [
  { program: 'iptables-restore', debian: 'iptables', fedora: 'iptables-nft', arch: 'iptables', alpine: 'iptables' },
  { program: 'unshare', debian: 'util-linux', fedora: 'util-linux', arch: 'util-linux', alpine: 'util-linux-misc' },
  { program: 'nsenter', debian: 'util-linux', fedora: 'util-linux', arch: 'util-linux', alpine: 'util-linux-misc' },
  { program: 'setpriv', debian: 'util-linux', fedora: 'util-linux', arch: 'util-linux', alpine: 'setpriv' },
];

const OPTIONS_WITH_VALUE = ['--name', '--ztunnel', '--ztunnel-env'];

/** What runs now; signals that only this process got are passed on to it. */
let current;
let interruptedBy;
for (const signal of SIGNALS)
  process.on(signal, () => {
    interruptedBy = signal;
    // Ctrl-C reaches the child by the terminal too; it takes a second one for the first.
    current?.kill(signal);
  });

process.exitCode = await main();

async function main() {
  if (process.platform !== 'linux')
    return fail(
      'LAB_PLATFORM_UNSUPPORTED: the demo needs Linux: it is made of network namespaces (use a Linux virtual machine)',
    );
  const lost = OPTIONS_WITH_VALUE.filter((option) => takenByNpm(option) !== undefined);
  if (lost.length > 0)
    return fail(
      `LAB_ARGUMENT_INVALID: npm keeps ${lost.join(', ')} for itself: ` +
        `npm run demo -- ${lost.map((option) => `${option} VALUE`).join(' ')}`,
    );
  try {
    await setUp();
    await installTools();
  } catch (error) {
    return interruptedBy === undefined ? fail(error.message) : exitCodeOfSignal(interruptedBy);
  }
  if (interruptedBy !== undefined) return exitCodeOfSignal(interruptedBy);
  const args = process.argv.slice(2);
  return runDemo(takenByNpm('--keep') === 'true' ? ['--keep', ...args] : args);
}

/** What npm made of an option that it took for one of its own, as in `npm run demo --keep`. */
function takenByNpm(option) {
  if (process.env.npm_lifecycle_event !== 'demo') return undefined;
  return process.env[`npm_config_${option.slice('--'.length).replaceAll('-', '_')}`];
}

async function installTools() {
  const missing = NEEDED.filter(({ program }) => !isInstalled(program));
  if (missing.length === 0) return;
  const packages = (system) => [...new Set(missing.map((tool) => tool[system]))].join(' ');
  const absence = `LAB_TOOL_MISSING: ${missing.map(({ program }) => program).join(', ')}: not found`;
  const install = `apt-get install ${packages('debian')}`;
  if (process.getuid() !== 0 || !isInstalled('apt-get'))
    throw new Error(
      `${absence}; install with one of: ${install}; dnf install ${packages('fedora')}; ` +
        `pacman -S ${packages('arch')}; apk add ${packages('alpine')}`,
    );
  const names = packages('debian').split(' ');
  try {
    await runQuietly('reading the package lists (apt-get update)', 'apt-get', ['-qq', 'update']);
    await runQuietly(`installing ${names.join(', ')} (apt-get install)`, 'apt-get', [
      'install',
      '-qq',
      '-y',
      '--no-install-recommends',
      ...names,
    ]);
  } catch (error) {
    throw new Error(`${absence}; ${error.message} (is the network there? \`${install}\` by hand says more)`, {
      cause: error,
    });
  }
}

/** Runs the demo in the foreground; a pipe that closes with this process tells it when to end. */
function runDemo(args) {
  const commandLine = join(root, 'apps/lab/src/main.ts');
  return new Promise((resolve) => {
    current = spawn(node, ['--conditions=@ambientmesh/source', commandLine, 'demo', ...args], {
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
      env: { ...environment, LAB_LIFELINE_FD: '3' },
    });
    current.on('error', (error) => resolve(fail(`${node}: ${error.message}`)));
    current.on('exit', (code, signal) => resolve(code ?? exitCodeOfSignal(signal)));
  });
}

/** Runs a program with one line of progress on stderr. What it says is only told if it fails: its first error, or its last line. */
async function runQuietly(what, command, args) {
  const startedMs = Date.now();
  const stop = showProgress(what, startedMs);
  let said = '';
  const failure = await new Promise((resolve) => {
    current = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    for (const stream of [current.stdout, current.stderr])
      stream.on('data', (chunk) => {
        said += chunk;
      });
    current.on('error', (error) => resolve(error.message));
    current.on('close', (code, signal) => resolve(code === 0 ? undefined : (signal ?? `exit ${code}`)));
  });
  current = undefined;
  stop(failure === undefined && interruptedBy === undefined);
  if (interruptedBy !== undefined) throw new Error('interrupted');
  if (failure === undefined) return;
  const lines = said.trim().split('\n');
  // apt-get marks errors so; what follows the first comes of it.
  const reason = lines.find((line) => line.startsWith('E: ')) ?? lines.at(-1);
  throw new Error([`${command} ${args.join(' ')}`, failure, reason].filter((part) => part !== '').join(': '));
}

/** Shows that something goes on until the returned function is called. */
function showProgress(what, startedMs) {
  const { stderr } = process;
  const seconds = () => `${Math.round((Date.now() - startedMs) / 1_000)} s`;
  let frame = 0;
  if (!stderr.isTTY) stderr.write(`${what} ...\n`);
  const timer = setInterval(
    () => {
      if (!stderr.isTTY) {
        stderr.write(`${what} ... ${seconds()}\n`);
        return;
      }
      frame = (frame + 1) % SPINNER.length;
      stderr.write(`\r\x1b[K${SPINNER[frame]} ${what} ${seconds()}`);
    },
    stderr.isTTY ? SPINNER_MS : PLAIN_PROGRESS_MS,
  );
  return (ok) => {
    clearInterval(timer);
    stderr.write(`${stderr.isTTY ? '\r\x1b[K' : ''}${ok ? '✔' : '✘'} ${what} ${seconds()}\n`);
  };
}

function isInstalled(program) {
  return [...(process.env.PATH ?? '').split(delimiter), ...SBIN].some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}

function fail(message) {
  process.stderr.write(`demo: ${message}\n`);
  return 1;
}
