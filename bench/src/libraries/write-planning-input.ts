import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { parseSave } from '@ambientmesh/iptables';
import { buildKubeProxySave, RULES_A_SERVICE } from './kube-proxy-save.ts';

const RULES = 20_000;
/** One service in a hundred has moved between what is there and what is wanted. */
const MOVED_EVERY = 100;

/** Writes what `measure-planning.ts` reads into `folder`; returns the paths of the save and of the wanted rules. */
export function writePlanningInput(folder: string): [save: string, wanted: string] {
  const services = RULES / RULES_A_SERVICE;
  const [save, wanted] = [join(folder, 'nat.save'), join(folder, 'wanted.v8')];
  writeFileSync(save, buildKubeProxySave({ services }));
  writeFileSync(wanted, serialize(parseSave(buildKubeProxySave({ services, movedEvery: MOVED_EVERY }), 'ipv4')));
  return [save, wanted];
}
