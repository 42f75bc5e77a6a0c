import type { LabOptions } from '../client/start-lab.ts';
import { LabError, messageOf } from '../errors.ts';
import type { Topology } from '../topology/topology.ts';
import { parseTopology } from '../topology/topology-file.ts';
import type { CliContext } from './context.ts';
import { readGivenFile } from './given-file.ts';
import { readPolicyFiles } from './policy-files.ts';

/** Options that say what lab to start. */
export interface StartFlags {
  readonly name: string;
  readonly keep?: boolean;
  readonly ztunnel?: readonly string[];
  readonly ztunnelEnv?: readonly string[];
  readonly topology?: string;
  readonly policies?: readonly string[];
  readonly enrol: boolean;
  readonly mesh: boolean;
}

/** Turns flags into what `startLab` wants. Throws LAB_ARGUMENT_INVALID, LAB_TOPOLOGY_INVALID. */
export async function labOptionsOf(context: CliContext, flags: StartFlags): Promise<LabOptions> {
  const variables = (flags.ztunnelEnv ?? []).map((text): [string, string] => {
    const at = text.indexOf('=');
    if (at <= 0) throw new LabError('LAB_ARGUMENT_INVALID', `--ztunnel-env ${text}: want NAME=VALUE`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
  return {
    name: flags.name,
    environment: context.environment,
    enrol: flags.enrol,
    mesh: flags.mesh,
    signal: context.interrupted,
    ztunnelEnvironment: Object.fromEntries(variables),
    ...(flags.ztunnel === undefined ? {} : { ztunnel: flags.ztunnel }),
    ...(flags.policies === undefined ? {} : { policies: await readPolicyFiles(context, flags.policies) }),
    ...(flags.topology === undefined ? {} : { topology: readTopology(context, flags.topology) }),
  };
}

/** Splits a command as a shell does: spaces, quotes, backslashes; nothing is expanded. Throws LAB_ARGUMENT_INVALID. */
export function splitCommand(text: string): readonly string[] {
  const words: string[] = [];
  const pattern = /\s+|((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)/gy;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) throw new LabError('LAB_ARGUMENT_INVALID', `${text}: a quote or backslash has no end`);
    const [, word] = match;
    if (word !== undefined) words.push(word.replaceAll(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/g, unquote));
  }
  if (words.length === 0) throw new LabError('LAB_ARGUMENT_INVALID', 'want a command');
  return words;
}

function readTopology(context: CliContext, path: string): Topology {
  try {
    return parseTopology(readGivenFile(context, path));
  } catch (error) {
    throw new LabError('LAB_TOPOLOGY_INVALID', `${path}: ${messageOf(error)}`, { cause: error });
  }
}

function unquote(_match: string, escaped?: string, double?: string, single?: string): string {
  if (escaped !== undefined) return escaped;
  return double === undefined ? (single ?? '') : double.replaceAll(/\\(["\\$`])/g, '$1');
}
