"use strict";
/* Sends the form without leaving the page: when the net is away, what was typed stays. Without this script the form is sent
   by the browser itself. */
(() => {
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

  async function send(form, button) {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, button)) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok || page.getElementById("review")) show(page, answer.url);
    else tell(said(page, "h1") || "暂时没有提交成功", said(page, "main p") || "您填写的内容都还在，请稍后再次提交。");
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.id !== "review") return;
    event.preventDefault();
    if (sending) return;
    sending = true;
    const button = form.querySelector("button[type=submit]");
    const words = button.textContent;
    button.textContent = "正在提交…";
    try {
      await send(form, event.submitter);
    } catch {
      tell("现在连不上网络", "您填写的内容都还在。网络恢复后，请再次点击“提交评价”。");
    } finally {
      button.textContent = words;
      sending = false;
    }
  });
})();
