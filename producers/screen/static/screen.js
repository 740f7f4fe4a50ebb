// The screen: one view at a time, from the idle one through faces and reasons to the thanks. What a citizen touches is
// theirs until they submit it; who goes away has said nothing, and nothing is sent.

import { Countdown } from "./countdown.js";

const PATIENCE = 60; // seconds without a touch
const THANKS = 5_000;
const BAD = 2; // this level and the one below open a ticket

const ASK = "请您对本次服务作出评价。";
const THANK = "感谢您的评价。";

export class Screen {
  view = "starting";
  #visit; // {invitation, level}: of the citizen who stands here
  #called; // the id of the last call: it comes again when the stream is begun again
  #next; // {invitation, until}: called while another citizen was choosing reasons
  #countdown = new Countdown(PATIENCE, (left) => this.#timeLeft(left), () => this.leave());
  #thanked;

  // `submit(invitation, said)` keeps a review; if it cannot, it rejects and puts up a notice.
  constructor(page, voice, submit) {
    Object.assign(this, { page, voice, submit });
    this.#listen();
  }

  show(name) {
    this.view = name;
    for (const view of this.page.querySelectorAll("[data-view]")) view.hidden = view.dataset.view !== name;
    this.page.querySelector(`[data-view="${name}"] h1`).focus();
  }

  // A page that is not for citizens now: what is wrong, and what to do.
  notice(title, words) {
    this.#endVisit();
    this.#write("notice-title", title);
    this.#write("notice-words", words);
    this.show("notice");
  }

  // The window's system calls. Who is choosing reasons is not interrupted: no one can cut a bad review short this way.
  call(invitation) {
    if (this.view === "notice" || invitation.call_id === this.#called) return;
    this.#called = invitation.call_id;
    if (this.view === "reasons") this.#next = { invitation, until: performance.now() + PATIENCE * 1000 };
    else this.begin(invitation);
  }

  // `invitation`: undefined if the citizen came by themselves.
  begin(invitation) {
    this.#endVisit();
    this.#visit = { invitation };
    this.#about(invitation);
    this.show("faces");
    this.#countdown.begin();
    this.voice.say(ASK);
  }

  // This citizen is gone, or wants nothing: the next one's call, or the idle page.
  leave() {
    this.#endVisit();
    const next = this.#next;
    this.#next = undefined;
    if (next && performance.now() < next.until) this.begin(next.invitation);
    else this.show("idle");
  }

  #listen() {
    const on = (selector, act) => {
      for (const element of this.page.querySelectorAll(selector)) element.addEventListener("click", () => act(element));
    };
    on("#begin", () => this.begin());
    on("[data-leave]", () => this.leave());
    on("[data-level]", ({ dataset }) => this.#choose(Number(dataset.level)));
    on("#back", () => this.show("faces"));
    this.page.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault(); // nothing of it may come into an address
      this.#submit().catch(() => {}); // the notice says it
    });
    for (const kind of ["pointerdown", "keydown", "input"]) {
      this.page.addEventListener(kind, () => this.#countdown.touched());
    }
  }

  #choose(level) {
    this.#visit.level = level;
    for (const of of this.page.querySelectorAll("[data-of]")) of.hidden = of.dataset.of !== String(level);
    this.show("reasons");
  }

  async #submit() {
    const button = this.page.querySelector("#submit");
    const { invitation, level } = this.#visit;
    button.disabled = true;
    this.#countdown.end();
    try {
      await this.submit(invitation, { level, reasons: this.#reasons(level), comment: this.#comment() });
      this.#thank(level);
    } finally {
      button.disabled = false;
    }
  }

  #thank(level) {
    this.#endVisit();
    this.page.querySelector("#promise").hidden = level > BAD;
    this.show("thanks");
    this.voice.say(THANK);
    this.#thanked = setTimeout(() => this.leave(), THANKS);
  }

  #endVisit() {
    this.#countdown.end();
    clearTimeout(this.#thanked);
    this.#visit = undefined;
    this.page.querySelector("form").reset();
  }

  #reasons(level) {
    const chosen = this.page.querySelectorAll(`[data-of="${level}"] input:checked`);
    return Array.from(chosen, ({ value }) => value);
  }

  #comment() {
    return this.page.querySelector("#comment").value.trim().toWellFormed();
  }

  #about(invitation) {
    this.#fact("item", invitation?.item_name);
    this.#fact("staff", invitation?.staff_name);
  }

  #fact(name, value) {
    this.page.querySelector(`#${name}`).textContent = value ?? "";
    this.page.querySelector(`#${name}-row`).hidden = !value;
  }

  #timeLeft(seconds) {
    for (const left of this.page.querySelectorAll("[data-left]")) left.textContent = seconds;
  }

  #write(id, words) {
    this.page.querySelector(`#${id}`).textContent = words;
  }
}
