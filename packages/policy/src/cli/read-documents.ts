import type { CommandIo } from './command-io.ts';
import { expandLists, listMeshWorkloads, type MeshWorkload } from './mesh-file.ts';
import { invalidCommand } from './parse-options.ts';
import { parseYamlDocuments, type YamlDocument } from './yaml-document.ts';

/** What files hold. */
export interface ReadDocuments {
  /** In their order; objects and policies in lists are documents of their own. Those with wrong syntax have `faults`. */
  readonly documents: readonly YamlDocument[];
  /** Of configurations and dumps of node proxies, of which only the policies are documents. */
  readonly workloads: readonly MeshWorkload[];
}

/**
 * The documents of all files and folders named. Throws POLICY_COMMAND_INVALID if a file cannot be read, or `-` is there
 * twice.
 */
export async function readDocuments(
  paths: readonly string[],
  io: Pick<CommandIo, 'readInput' | 'listFiles'>,
): Promise<ReadDocuments> {
  const written = await readAsWritten(paths, io);
  return { documents: expandLists(written), workloads: listMeshWorkloads(written) };
}

/** As `readDocuments`, but wrong syntax throws POLICY_COMMAND_INVALID, too, with the place of the first fault. */
export async function readSoundDocuments(paths: readonly string[], io: CommandIo): Promise<ReadDocuments> {
  const read = await readDocuments(paths, io);
  refuseFaults(read.documents);
  return read;
}

/** The documents of files that are suites, whose `policies` are no list to be taken apart. Throws as `readSoundDocuments`. */
export async function readSuiteDocuments(paths: readonly string[], io: CommandIo): Promise<readonly YamlDocument[]> {
  const documents = await readAsWritten(paths, io);
  refuseFaults(documents);
  return documents;
}

async function readAsWritten(
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

function refuseFaults(documents: readonly YamlDocument[]): void {
  const [fault] = documents.flatMap(({ faults }) => faults);
  if (fault !== undefined) throw invalidCommand(`${fault.place}: ${fault.message}`);
}
