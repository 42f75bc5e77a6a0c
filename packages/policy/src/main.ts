/** The command of this package as a process. */
import { readFileSync } from 'node:fs';
import { listFiles, readInput, writeFile } from './cli/files.ts';
import { runCommand } from './cli/run-command.ts';

/** Runs the command with the arguments of this process, and sets its exit code. */
export async function main(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // Nobody reads any more, as with `| head`: that is no failure, and there is nobody to tell.
      if (error.code !== 'EPIPE') process.exitCode = 2;
    });
  // No process.exit: what is written to a pipe must still get there.
  process.exitCode = await runCommand(process.argv.slice(2), {
    readInput: (path) => readInput(path, process.stdin),
    listFiles,
    writeFile,
    write: (text) => process.stdout.write(text),
    writeError: (text) => process.stderr.write(text),
    version: readVersion(),
  });
}

/** Beside the folder of this file, both as source and as built. */
function readVersion(): string {
  const { version }: { readonly version: string } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );
  return version;
}
