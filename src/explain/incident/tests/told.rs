//! What a story tells of ends and of what is not over yet.

use super::*;

#[test]
fn the_last_words_are_told_of_whoever_ended_last_as_they_were_printed() {
    let words = "Traceback (most recent call last):\n  File \"shop.py\"\nKeyError: 'DB'";
    let crashed = crash(4, 1_000, &json!({ "last_words": "bye" }));
    let failed = json!({
        "generation": 3, "text": "worker 3 failed to start: exited with code 1",
        "last_words": words,
    });
    let incident = one(&[crashed, line("start-failed", 4, 1_400, &failed)]);
    let page = story(&incident);
    let told = format!(
        "\nLast words of worker 3\n  {}\n\n",
        words.replace('\n', "\n  ")
    );
    assert!(page.contains(&told), "{page}");
    assert!(!page.contains("bye"), "{page}");
    let json = serde_json::from_str(&incident.to_json()).unwrap();
    assert_eq!(
        Incident::from_json(&json),
        Some(Incident {
            opened_mono_ms: 0,
            ..incident
        })
    );
}

#[test]
fn a_start_that_failed_is_told_with_its_whole_reason() {
    let what = "worker 1 failed to start: exited with code 1 (Error: a; b) before it was ready";
    let failed = json!({ "what": what, "text": format!("{what}; next start in 1s") });
    assert_eq!(one(&[line("start-failed", 1, 1, &failed)]).what, what);
}

#[test]
fn whether_a_recycle_helped_is_not_told_before_it_is_over() {
    let lines = recycled(1, &json!({}));
    for so_far in [1, 2, 3] {
        let page = story(&one(&lines[..so_far]));
        assert!(page.contains("That is still to be seen."), "{page}");
    }
}
