import type { LabStatus } from '../control-protocol.ts';

const ENGINE = /^ambientmesh_engine_info\{engine="([^"]+)"/gm;

/** What this needs of a lab. */
export interface EngineSource {
  metrics(node: string): Promise<string>;
}

/**
 * What the data threads of each node's ztunnel run on, by node: `reactor`, `node`, both with a plus in between; no entry for
 * one that does not run, does not answer, or is of another make. Never rejects.
 */
export async function readEngines(
  lab: EngineSource,
  { nodes }: Pick<LabStatus, 'nodes'>,
): Promise<ReadonlyMap<string, string>> {
  const running = nodes.filter(({ ztunnel }) => ztunnel.running);
  const engines = await Promise.all(
    running.map(async ({ name }) => {
      const metrics = await lab.metrics(name).catch(() => '');
      const found = new Set([...metrics.matchAll(ENGINE)].map(([, engine]) => engine));
      return [name, [...found].join('+')] as const;
    }),
  );
  return new Map(engines.filter(([, engine]) => engine !== ''));
}
