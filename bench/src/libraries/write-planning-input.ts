import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildKubeProxySave, RULES_A_SERVICE } from './kube-proxy-save.ts';

const RULES = 20_000;
/** One service in a hundred has moved between what is there and what is wanted. */
const MOVED_EVERY = 100;

/** Writes what `measure-planning.ts` reads into `folder`; returns the paths of the save and of the wanted one. */
export function writePlanningInput(folder: string): [save: string, wanted: string] {
  const services = RULES / RULES_A_SERVICE;
  const [save, wanted] = [join(folder, 'nat.save'), join(folder, 'wanted.save')];
  writeFileSync(save, buildKubeProxySave({ services }));
  writeFileSync(wanted, buildKubeProxySave({ services, movedEvery: MOVED_EVERY }));
  return [save, wanted];
}
