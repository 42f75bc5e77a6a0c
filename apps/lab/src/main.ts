/** The lab's command line: environment, signals, exit code. */
import { Socket } from 'node:net';
import process, { stderr, stdout } from 'node:process';
import { buildProgram } from './cli/program.ts';
import { Terminal, wantsColour } from './cli/terminal.ts';
import { LabError } from './errors.ts';

const DEFAULT_COLUMNS = 80;
const { env } = process;

const interruption = new AbortController();
const interrupt = (): void => interruption.abort(new LabError('LAB_CLOSED', 'interrupted'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
watchLauncher(env['LAB_LIFELINE_FD']);
// For this process only, not for what it starts.
delete env['LAB_LIFELINE_FD'];
stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that has seen enough (`lab logs | head`).
  if (error.code === 'EPIPE') process.exit(0);
  stderr.write(`lab: LAB_COMMAND_FAILED: stdout: ${error.message} (is the disk full?)\n`);
  process.exit(1);
});

const write = (text: string): void => {
  stdout.write(text);
};
const warn = (message: string): void => {
  stderr.write(`lab: warning: ${message}\n`);
};
const colour = wantsColour(stdout.isTTY, (name) => env[name]);
const out = new Terminal({ write, colour, columns: (stdout.isTTY && stdout.columns) || DEFAULT_COLUMNS });
const program = buildProgram({ environment: env, out, write, warn, interrupted: interruption.signal }, (code) => {
  process.exitCode = code;
});
try {
  await program.parseAsync();
} catch (error) {
  if (interruption.signal.aborted) {
    process.exitCode = 130;
    stderr.write('lab: interrupted\n');
  } else {
    process.exitCode = 1;
    if (error instanceof LabError)
      stderr.write([`lab: ${error.code}: ${error.summary}`, ...error.details, ''].join('\n'));
    else stderr.write(`lab: ${String(error)}\n`);
  }
}

/** The launcher holds the other end of a pipe: its end is ours, however it came. */
function watchLauncher(descriptor: string | undefined): void {
  if (descriptor === undefined) return;
  const pipe = new Socket({ fd: Number(descriptor), readable: true, writable: false });
  pipe.on('close', interrupt).on('error', interrupt).resume().unref();
}
