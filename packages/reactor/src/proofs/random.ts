export { SeededRandom as Random } from '@ambientmesh/hbone/testing';

/** Another one each time; print it. */
export function freshSeed(): number {
  return Date.now() % 1_000_000_007;
}
