import { type CommandIo, EXIT } from './command-io.ts';
import { COMMANDS } from './commands.ts';
import { renderHelp } from './help.ts';
import { invalidCommand } from './parse-options.ts';

/**
 * Runs the command of this package with `args` (without program and script); gives the exit code. Never rejects: what
 * goes wrong is one line on standard error and exit code 2.
 */
export async function runCommand(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    io.writeError(`ambient-policy: ${firstLine(error)}\n`);
    return EXIT.failure;
  }
}

function dispatch(args: readonly string[], io: CommandIo): number | Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) throw invalidCommand(`want a command: ${listNames()} (--help tells more)`);
  if (name === '--version') return print(`${io.version}\n`, io);
  if (name === '--help' || name === '-h' || name === 'help') return printHelp(name === 'help' ? rest : [], io);
  const command = COMMANDS.get(name);
  if (command === undefined) throw invalidCommand(`${JSON.stringify(name)} is no command: want ${listNames()}`);
  const options = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length);
  if (options.includes('--help') || options.includes('-h')) return printHelp([name], io);
  return command.run(rest, io);
}

function printHelp([topic, surplus]: readonly string[], io: CommandIo): number {
  const text = surplus === undefined ? renderHelp(topic) : undefined;
  if (text === undefined) throw invalidCommand(`want help and one of ${listNames()}`);
  return print(text, io);
}

function print(text: string, io: CommandIo): number {
  io.write(text);
  return EXIT.success;
}

function listNames(): string {
  return [...COMMANDS.keys()].join(', ').replace(/, ([^,]*)$/, ' or $1');
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] ?? '';
}
