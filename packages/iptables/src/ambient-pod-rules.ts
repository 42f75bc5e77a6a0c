export { AMBIENT_POLICY_ROUTING } from './ambient/marks.ts';
export type { AmbientPodRules as AmbientRules } from './ambient/pod-rules.ts';
export type { PolicyRouting } from './core/owned-rules.ts';
