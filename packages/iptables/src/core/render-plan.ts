import type { Plan } from './plan.ts';

export function renderPlan(plan: Plan): string {
  void plan;
  throw new Error('not implemented');
}

export function renderPlanRestore(plan: Plan): string {
  void plan;
  throw new Error('not implemented');
}
