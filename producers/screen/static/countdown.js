// The time that a citizen has, from the last touch on; it shows itself, and what comes at its end is up to the screen.

export class Countdown {
  #deadline = 0;
  #timer;

  constructor(seconds, shown, over) {
    Object.assign(this, { milliseconds: seconds * 1000, shown, over });
  }

  // From the beginning again, whether it runs or not.
  begin() {
    this.end();
    this.#timer = setInterval(() => this.#tick(), 250);
    this.touched();
  }

  // Somebody is there.
  touched() {
    if (!this.#timer) return;
    this.#deadline = performance.now() + this.milliseconds;
    this.#tick();
  }

  end() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick() {
    const left = Math.ceil((this.#deadline - performance.now()) / 1000);
    this.shown(Math.max(left, 0));
    if (left > 0) return;
    this.end();
    this.over();
  }
}
