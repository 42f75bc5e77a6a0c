import { type Policy, policyKey } from '@ambientmesh/policy';
import type { Service } from '../../state/service.ts';
import { ZtunnelError } from '../errors.ts';
import { readPolicy } from './read-policy.ts';
import { readService } from './read-service.ts';
import { type LocalWorkload, readWorkload } from './read-workload.ts';
import { type YamlFields, type YamlPlace, YamlSource } from './yaml-place.ts';

/** What a local configuration (file xDS) says. */
export interface LocalConfig {
  readonly workloads: readonly LocalWorkload[];
  readonly services: readonly Service[];
  readonly policies: readonly Policy[];
  readonly repeated: readonly RepeatedPolicy[];
}

/** A policy with the key of one before it: the later one counts (spec policy.md §3), and hardly on purpose. */
export interface RepeatedPolicy {
  /** `namespace/name`. */
  readonly policy: string;
  /** Which of `policies`, from 0. */
  readonly index: number;
  readonly message: string;
}

/** What is in force while a new version is read. */
export interface ReplacedConfig {
  /** How many. */
  readonly policies: number;
}

/**
 * Reads the YAML of a local configuration (spec ztunnel.md §3.3); nothing at all is an empty one. With `before` it is to take
 * the place of another one: then what a writer leaves that has stopped in the middle is refused (nothing at all, no `policies`
 * where some are in force), as it would open everything; who means that says `{}` or `policies: []`. Throws ZtunnelError
 * (ZTUNNEL_LOCAL_CONFIG_INVALID) at the first mistake, with its path, line and column.
 */
export function parseLocalConfig(text: string, before?: ReplacedConfig): LocalConfig {
  const source = new YamlSource(text);
  const fields = source.root?.fields(['workloads', 'policies', 'services']);
  if (source.syntaxError !== undefined) throw invalid(`local configuration: ${source.syntaxError}`);
  if (before !== undefined) refuseUnfinished(source.root, fields, before);
  const places: YamlPlace[] = [];
  const policies =
    fields?.list('policies', (place) => {
      places.push(place);
      return readPolicy(place);
    }) ?? [];
  return {
    workloads: fields?.list('workloads', readWorkload) ?? [],
    services: fields?.list('services', readService) ?? [],
    policies,
    repeated: findRepeated(policies, places),
  };
}

function refuseUnfinished(root: YamlPlace | undefined, fields: YamlFields | undefined, before: ReplacedConfig): void {
  if (root === undefined || fields === undefined)
    throw invalid('the file says nothing (is it being written?); `{}` removes everything');
  if (before.policies > 0 && !fields.has('policies') && root.entries().length > 0)
    throw invalid(
      `\`policies\` is missing and ${before.policies} are in force (is the file being written?); \`policies: []\` removes them`,
    );
}

function findRepeated(policies: readonly Policy[], places: readonly YamlPlace[]): RepeatedPolicy[] {
  const lastOf = new Map<string, YamlPlace | undefined>();
  return policies.flatMap((policy, index) => {
    const key = policyKey(policy);
    const earlier = lastOf.get(key);
    lastOf.set(key, places[index]);
    if (earlier === undefined) return [];
    const message = `replaces ${earlier.path} (line ${earlier.line}), which has the same name`;
    return [{ policy: key, index, message }];
  });
}

function invalid(message: string): ZtunnelError {
  return new ZtunnelError('ZTUNNEL_LOCAL_CONFIG_INVALID', message);
}
