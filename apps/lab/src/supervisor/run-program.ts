import { spawn } from 'node:child_process';
import { LabError } from '../errors.ts';

/**
 * Runs a program to its end with `input` on stdin and returns its stdout. Throws LAB_TOOL_MISSING if it cannot be
 * started and LAB_COMMAND_FAILED, with the first line it complained with, if it exits other than 0.
 */
export function runProgram(argv: readonly [string, ...string[]], input = ''): Promise<string> {
  const [command, ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.on('error', (cause) => {
      reject(new LabError('LAB_TOOL_MISSING', `${command}: ${cause.message} (install it)`, { cause }));
    });
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    // A program that fails early does not read its input; its exit code tells.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.on('close', (code, signal) => {
      if (code === 0) {
        resolve(Buffer.concat(out).toString());
        return;
      }
      const [said = 'no message'] = Buffer.concat(err).toString().trim().split('\n');
      reject(new LabError('LAB_COMMAND_FAILED', `${argv.join(' ')}: ${signal ?? `exit ${code}`}: ${said}`));
    });
  });
}

/** The command that runs `argv` in the lab's namespace `name`; it replaces itself, so the process id is `argv`'s own. */
export function inNamespace(name: string, argv: readonly string[]): [string, ...string[]] {
  return ['nsenter', `--net=/run/netns/${name}`, '--', ...argv];
}
