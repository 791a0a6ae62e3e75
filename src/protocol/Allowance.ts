/**
 * How much somebody may have in a time: so many at once, and from then on so many a second. All that is kept of it is
 * the moment when it will be whole again.
 *
 * @since 0.1.0
 */

/**
 * In milliseconds. While it is in the past nothing was taken that counts any more.
 *
 * @since 0.1.0
 * @category models
 */
export type Allowance = number

/**
 * @since 0.1.0
 * @category constructors
 */
export const whole: Allowance = Number.NEGATIVE_INFINITY

/**
 * From when on one more may be taken. 0 per second stands for any number.
 *
 * @since 0.1.0
 * @category getters
 */
export const from = (wholeAt: Allowance, perSecond: number): number =>
  perSecond === 0 ? Number.NEGATIVE_INFINITY : wholeAt - (1000 * (perSecond - 1)) / perSecond

/**
 * What is left when one is taken, or a part of one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const take = (wholeAt: Allowance, now: number, perSecond: number, part = 1): Allowance =>
  perSecond === 0 ? wholeAt : Math.max(wholeAt, now) + (part * 1000) / perSecond
