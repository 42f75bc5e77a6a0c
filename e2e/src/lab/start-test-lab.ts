import { type LabClient, type LabOptions, startLab } from '@ambientmesh/lab';
import { TEST_TOPOLOGY } from './test-topology.ts';

let started = 0;

/** A name no other test run uses. */
export function uniqueLabName(): string {
  started += 1;
  return `e2e-${process.pid}-${started}`;
}

/** Starts a lab of `TEST_TOPOLOGY` under a name of its own, with the caller's PATH. */
export function startTestLab(options: LabOptions = {}): Promise<LabClient> {
  return startLab({ name: uniqueLabName(), topology: TEST_TOPOLOGY, environment: process.env, ...options });
}
