"use strict";
/* Sends the form without leaving the page: when the net is away, what was typed stays. Without this script the form is sent
   by the browser itself. */
(() => {
  const PATIENCE = 30000; // then a net that answers nothing is called away; to send again does no harm
  const OTHER_WAYS = "您也可以使用窗口评价器、纸质评价表，或者拨打 12345 评价。";
  let sending = false;
  const said = (page, selector) => (page.querySelector(selector) || {}).textContent || "";

  function tell(title, words) {
    const box = document.getElementById("trouble");
    box.querySelector("h2").textContent = title;
    box.querySelector("p").textContent = words;
    box.hidden = false;
    box.focus();
  }

  function show(page, address) {
    document.title = page.title;
    document.querySelector("main").replaceWith(page.querySelector("main"));
    history.replaceState(null, "", address);
    const first = document.querySelector("main [data-first]") || document.querySelector("h1");
    first.tabIndex = -1;
    first.focus();
    scrollTo(0, 0);
  }

  async function ask(form, button) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), PATIENCE);
    try {
      const body = new URLSearchParams(new FormData(form, button));
      const answer = await fetch(form.action, { method: "POST", body, signal: stop.signal });
      return [answer, new DOMParser().parseFromString(await answer.text(), "text/html")];
    } finally {
      clearTimeout(timer);
    }
  }

  async function send(form, button) {
    const [answer, page] = await ask(form, button);
    if (answer.ok || page.getElementById("review")) show(page, answer.url);
    else tell(said(page, "h1") || "暂时没有提交成功", said(page, "main p") || "您填写的内容都还在，请稍后再次提交。");
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.id !== "review") return;
    event.preventDefault();
    if (sending) return;
    sending = true;
    document.getElementById("trouble").hidden = true;
    const button = form.querySelector("button[type=submit]");
    const words = button.textContent;
    button.textContent = "正在提交…";
    try {
      await send(form, event.submitter);
    } catch {
      tell("现在连不上网络", "您填写的内容都还在。请不要关闭本页，网络恢复后再点“提交评价”。" + OTHER_WAYS);
    } finally {
      button.textContent = words;
      sending = false;
    }
  });
})();
