import type { CommandIo } from './command-io.ts';
import { invalidCommand } from './parse-options.ts';
import { parseYamlDocuments, type YamlDocument } from './yaml-document.ts';

/**
 * The documents of all files and folders named, in their order; those with wrong syntax have `faults`. Throws
 * POLICY_COMMAND_INVALID if a file cannot be read, or `-` is there twice.
 */
export async function readDocuments(
  paths: readonly string[],
  io: Pick<CommandIo, 'readInput' | 'listFiles'>,
): Promise<readonly YamlDocument[]> {
  if (paths.filter((path) => path === '-').length > 1) throw invalidCommand('only one file can be standard input');
  const documents: YamlDocument[] = [];
  for (const path of paths)
    for (const file of await io.listFiles(path))
      for (const document of parseYamlDocuments(file === '-' ? 'standard input' : file, await io.readInput(file)))
        documents.push(document);
  return documents;
}

/** As `readDocuments`, but wrong syntax throws POLICY_COMMAND_INVALID, too, with the place of the first fault. */
export async function readSoundDocuments(paths: readonly string[], io: CommandIo): Promise<readonly YamlDocument[]> {
  const documents = await readDocuments(paths, io);
  const [fault] = documents.flatMap(({ faults }) => faults);
  if (fault !== undefined) throw invalidCommand(`${fault.place}: ${fault.message}`);
  return documents;
}
