import { exit, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';

/** Commands by name; arguments and results are what JSON can carry. */
export type Commands<C> = { readonly [K in keyof C]: (...given: never[]) => unknown };

/**
 * Serves the benchmark over stdin and stdout, one object of JSON a line: `{id, command, given}` is answered by
 * `{id, result}` or, with the message of whatever was thrown, `{id, error}`. Ends the process when stdin ends.
 */
export function answerCommands<C extends Commands<C>>(commands: C): void {
  const lines = createInterface({ input: stdin });
  lines.on('line', (line) => {
    const { id, command, given }: { id: number; command: keyof C; given: never[] } = JSON.parse(line);
    answer(commands[command], given).then(
      (result) => stdout.write(`${JSON.stringify({ id, result })}\n`),
      (error: unknown) => stdout.write(`${JSON.stringify({ id, error: String(error) })}\n`),
    );
  });
  lines.on('close', () => exit());
}

async function answer(command: (...given: never[]) => unknown, given: never[]): Promise<unknown> {
  return await command(...given);
}
