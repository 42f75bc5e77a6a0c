import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { stdin } from 'node:process';
import { text as readStream } from 'node:stream/consumers';
import { LabError, messageOf } from '../errors.ts';
import type { PolicyText } from '../policies/policy-texts.ts';
import type { CliContext } from './context.ts';
import { findGivenFile } from './given-file.ts';

/**
 * Texts of files named on the command line, `-` for stdin; of a folder, those of its YAML and JSON files and of the folders
 * in it, hidden ones left out. Throws LAB_ARGUMENT_INVALID.
 */
export async function readPolicyFiles(
  context: Pick<CliContext, 'environment'>,
  files: readonly string[],
): Promise<readonly PolicyText[]> {
  if (files.length === 0) throw new LabError('LAB_ARGUMENT_INVALID', 'want a file or folder of policies; - is stdin');
  const texts: PolicyText[] = [];
  for (const file of files)
    if (file === '-') texts.push({ file: 'stdin', text: await readStream(stdin) });
    else texts.push(...readFileOrFolder(context, file));
  return texts;
}

function readFileOrFolder(context: Pick<CliContext, 'environment'>, given: string): readonly PolicyText[] {
  try {
    const path = findGivenFile(context, given);
    if (!statSync(path).isDirectory()) return [{ file: given, text: readFileSync(path, 'utf8') }];
    const found = filesIn(path);
    if (found.length === 0) throw new Error('no .yaml, .yml or .json file in this folder');
    return found.map((file) => ({ file: join(given, file), text: readFileSync(join(path, file), 'utf8') }));
  } catch (error) {
    throw new LabError('LAB_ARGUMENT_INVALID', `${given}: ${messageOf(error)}`, { cause: error });
  }
}

/** As `ambient-policy` reads folders. */
function filesIn(folder: string): readonly string[] {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .flatMap((entry) => {
      if (entry.isDirectory()) return filesIn(join(folder, entry.name)).map((file) => join(entry.name, file));
      return /\.(?:ya?ml|json)$/.test(entry.name) ? [entry.name] : [];
    });
  return files.toSorted();
}
