//! Series from files in every layout, form and order.

use super::*;

#[test]
fn every_form_and_order_of_a_table_gives_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(12);
    let plain = table(&rows);
    let hidden = [("table.csv", plain.as_bytes()), ("__MACOSX/._table.csv", b"".as_slice())];
    let forms = [
        write(dir.path(), "plain.csv", plain.as_bytes()),
        write(dir.path(), "mixed.csv", table(&mixed(&rows)).as_bytes()),
        write(dir.path(), "packed.zip", &zipped(&hidden)),
        write(dir.path(), "packed.gz", &gzipped(plain.as_bytes())),
        // With a mark of byte order, line ends of Windows, blanks, quotes and columns that nobody asked for.
        write(
            dir.path(),
            "foreign.csv",
            format!(
                "\u{feff}time, realValue ,note,\"id\"\r\n{}\r\n",
                rows.iter()
                    .map(|row| {
                        let [id, time, value] = row.splitn(3, ',').collect::<Vec<_>>().try_into().unwrap();
                        format!("{time}, {value} ,\"a, b\",\"{id}\"")
                    })
                    .collect::<Vec<_>>()
                    .join("\r\n")
            )
            .as_bytes(),
        ),
    ];
    let mut first = None;
    for form in &forms {
        let set = read(form, &columns(Some("time"), false)).unwrap();
        assert_eq!(set.series.len(), 12);
        let lengths: Vec<_> = set.series.iter().take(3).map(|(_, values)| values.len()).collect();
        // By name: s0, s1, s10.
        assert_eq!(lengths, [60, 67, 60]);
        let recipe = load(form, &[]).unwrap();
        let models = train(&recipe, 20);
        let learners = serde_json::to_value(&judged(&recipe, &models).report.learners).unwrap();
        let run = (set.series, models.maml, learners);
        match &first {
            Some(first) => assert!(*first == run, "{}", form.display()),
            None => first = Some(run),
        }
    }
}

#[test]
fn dates_sort_rows() {
    let dir = tempfile::tempdir().unwrap();
    let text = "id,time,realValue\na,2024-03-01,3\na,2024-02-29T23:30+01:00,1\na,2024-02-29 23:30,2\nb,1999-12-31,9\n";
    let path = write(dir.path(), "t.csv", text.as_bytes());
    let set = read(&path, &columns(Some("time"), false)).unwrap();
    assert_eq!(set.series, [("a".to_owned(), vec![1.0, 2.0, 3.0]), ("b".to_owned(), vec![9.0])]);
    // A column of dates is known for what it is; of numbers, it has to be said.
    assert_eq!(read(&path, &columns(None, false)).unwrap().series[0].1, [1.0, 2.0, 3.0]);
    let path = write(dir.path(), "n.csv", b"id,hour,realValue\na,3,3\na,1,1\na,2,2\n");
    assert_eq!(read(&path, &columns(None, false)).unwrap().series[0].1, [3.0, 1.0, 2.0]);
}

#[test]
fn what_is_wrong_with_a_table_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let good = "id,time,realValue\na,0,1\n";
    let gz = gzipped(good.as_bytes());
    let two = zipped(&[("one.csv", good.as_bytes()), ("two.csv", good.as_bytes())]);
    let cases: [(&str, &[u8], &[&str]); 16] = [
        (
            "column",
            b"name,time,realValue\na,0,1\n",
            &["task.id_column", "`id`", "`name`, `time`, `realValue`"],
        ),
        ("twice", b"id,time,realValue,id\na,0,1,b\n", &["columns 1 and 4", "`id`"]),
        ("time", b"id,when,realValue\na,0,1\n", &["task.time_column", "`when`"]),
        ("word", b"id,time,realValue\na,0,1\na,1,lots\n", &["word", "line 3", "`realValue` is `lots`"]),
        ("infinite", b"id,time,realValue\na,0,1e39\na,1,2\n", &["line 2", "1e39", "finite"]),
        ("missing", b"id,time,realValue\na,0,1\na,1,\n", &["line 3", "no value", "task.missing"]),
        ("name", b"id,time,realValue\n,0,1\n", &["line 2", "`id` is empty"]),
        ("moment", b"id,time,realValue\na,soon,1\n", &["line 2", "`time` is `soon`"]),
        (
            "kinds",
            b"id,time,realValue\na,2024-01-01,1\na,5,1\n",
            &["line 3", "the number `5`", "a date before"],
        ),
        ("again", b"id,time,realValue\na,0,1\nb,0,1\na,0.0,2\n", &["line 4", "series `a`", "line 2"]),
        ("ragged", b"id,time,realValue\na,0\n", &["ragged", "line 2"]),
        ("empty", b"", &["empty", "is empty"]),
        ("header", b"id,time,realValue\n", &["no row"]),
        ("several", &two, &["2 files", "one.csv"]),
        ("none", &zipped(&[]), &["without a file"]),
        ("cut", &gz[..gz.len() / 2], &["cut", "damaged"]),
    ];
    for (name, bytes, words) in cases {
        let path = write(dir.path(), name, bytes);
        let error = read(&path, &columns(Some("time"), false)).expect_err(name).to_string();
        for word in words {
            assert!(error.contains(word), "{name}: {error}, without {word}");
        }
    }
    let error = read(&dir.path().join("nowhere"), &columns(None, false)).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    // Left out if that is asked for, and counted.
    let gaps = b"id,time,realValue\na,0,1\na,1,\na,2,NaN\na,3,4\na,4,5\na,5,6\nb,0,NA\n";
    let path = write(dir.path(), "gaps", gaps);
    let set = read(&path, &columns(Some("time"), true)).unwrap();
    assert_eq!((set.series, set.dropped), (vec![("a".to_owned(), vec![1.0, 4.0, 5.0, 6.0])], 3));
    assert!(set.notes.iter().any(|note| note.contains("2 times are missing")), "{:?}", set.notes);
    let filled = SeriesColumns { gaps: Gaps::Fill, ..columns(Some("time"), true) };
    assert_eq!(read(&path, &filled).unwrap().series[0].1, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn series_stand_in_columns_rows_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let told = SeriesColumns::default();
    let names = |set: &SeriesSet| set.series.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let wide = write(dir.path(), "wide.csv", b"date,b,a\n2024-01-02,5,\n2024-01-01,4,1\n2024-01-03,6,\n");
    let set = read(&wide, &told).unwrap();
    assert_eq!(set.series, [("a".to_owned(), vec![1.0]), ("b".to_owned(), vec![4.0, 5.0, 6.0])]);
    let one = SeriesColumns { values: vec!["b".to_owned()], ..told.clone() };
    assert_eq!(names(&read(&wide, &one).unwrap()), ["b"]);
    // One series, without a name of its own; times go on in their own step.
    let months: String = (0..30).map(|m| format!("{}-{:02},{m}\n", 1949 + m / 12, m % 12 + 1)).collect();
    let set = read(&write(dir.path(), "months.csv", format!("Month,Passengers\n{months}").as_bytes()), &told)
        .unwrap();
    assert_eq!((names(&set), set.series[0].1.len()), (vec!["Passengers".to_owned()], 30));
    assert_eq!(set.time_after(0, 1).unwrap(), "1951-07");
    let pieces = SeriesColumns { pieces: 4, ..told.clone() };
    let set = read(&dir.path().join("months.csv"), &pieces).unwrap();
    assert_eq!(set.series.iter().map(|(_, values)| values.len()).collect::<Vec<_>>(), [7, 8, 7, 8]);
    assert_eq!(names(&set)[0], "Passengers (1 of 4)");
    // A row each, as long as it is.
    let row = |name: &str, n: usize| format!("{name}{}{}\n", ",7.5".repeat(n), ",".repeat(25 - n));
    let head: String = (1..=26).map(|v| format!("V{v},")).collect();
    let text = format!("{}\n{}{}", head.trim_end_matches(','), row("H1", 25), row("H2", 22));
    let set = read(&write(dir.path(), "rows.csv", text.as_bytes()), &told).unwrap();
    assert_eq!(
        set.series.iter().map(|(name, v)| (name.as_str(), v.len())).collect::<Vec<_>>(),
        [("H1", 25), ("H2", 22)]
    );
    // Two columns name a series together.
    let keys = write(dir.path(), "keys.csv", b"store,item,day,sold\n1,1,1,5\n1,2,1,6\n1,1,2,7\n1,2,2,8\n");
    let both = SeriesColumns {
        ids: vec!["store,item".to_owned()],
        values: vec!["sold".to_owned()],
        time: Some("day".to_owned()),
        ..told.clone()
    };
    let set = read(&keys, &both).unwrap();
    assert_eq!(set.series, [("1/1".to_owned(), vec![5.0, 7.0]), ("1/2".to_owned(), vec![6.0, 8.0])]);
    let error =
        read(&keys, &SeriesColumns { ids: vec!["store".to_owned()], ..both }).unwrap_err().to_string();
    assert!(
        error.contains("line 3") && error.contains("`item`") && error.contains("--id-column A,B"),
        "{error}"
    );
    // A folder of files.
    fs::create_dir(dir.path().join("all")).unwrap();
    for name in ["x", "y"] {
        write(&dir.path().join("all"), &format!("{name}.csv"), b"time,value\n2,2\n1,1\n");
    }
    assert_eq!(
        read(&dir.path().join("all"), &told).unwrap().series,
        [("x".to_owned(), vec![1.0, 2.0]), ("y".to_owned(), vec![1.0, 2.0])]
    );
    // A row for each series and time was meant.
    let wrong = SeriesColumns { ids: vec!["date".to_owned()], values: vec!["b".to_owned()], ..told.clone() };
    let error = read(&wide, &wrong).unwrap_err().to_string();
    assert!(error.contains("task.id_column") && error.contains("--value-column A,B,C"), "{error}");
    let by_rows = SeriesColumns { layout: Some(Layout::Rows), ..told };
    assert_eq!(
        read(&write(dir.path(), "short.csv", b"n,1,2,3\na,1,2,3\nb,4,5,6\n"), &by_rows).unwrap().series[1].1,
        [4.0, 5.0, 6.0]
    );
}

#[test]
fn gaps_are_counted_and_a_level_takes_no_digits() {
    let dir = tempfile::tempdir().unwrap();
    let text = "id,day,y\na,01.01.2024,1\na,02.01.2024,2\na,05.01.2024,5\na,13.01.2024,13\n";
    let set = read(&write(dir.path(), "gaps.csv", text.as_bytes()), &SeriesColumns::default()).unwrap();
    let notes = set.notes.join("\n");
    assert!(
        notes.contains("9 times are missing (the step is 1 day)") && notes.contains("after line 3"),
        "{notes}"
    );
    assert_eq!(set.time_after(0, 2).unwrap(), "2024-01-15");
    let months = "id,day,y\na,2024-01-31,1\na,2024-02-29,2\na,2024-03-31,3\na,2024-05-31,5\n";
    let set = read(&write(dir.path(), "months.csv", months.as_bytes()), &SeriesColumns::default()).unwrap();
    assert!(
        set.notes.iter().any(|note| note.contains("1 time is missing (the step is 1 month)")),
        "{:?}",
        set.notes
    );
    // The same series a billion higher are the same to a model.
    let table = |level: f64| {
        let rows: Vec<_> = rows(12)
            .iter()
            .map(|row| {
                let (key, value) = row.rsplit_once(',').unwrap();
                format!("{key},{}", (value.parse::<f64>().unwrap() * 64.0).round() / 64.0 + level)
            })
            .collect();
        let recipe = load(&write(dir.path(), "level.csv", table(&rows).as_bytes()), &[]).unwrap();
        recipe.evaluation_tasks(&recipe.evaluation, 0..3).unwrap().query_x
    };
    assert_eq!(table(0.0), table(1_073_741_824.0));
}

/// A column of dates that are written otherwise is not passed over without a word.
#[test]
fn forms_of_dates_are_known_or_said_not_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let of = |form: &dyn Fn(usize) -> String| {
        let rows = (0..40).map(|t| format!("a,{},{}\n", form(t), t * t % 13)).collect::<String>();
        read(
            &write(dir.path(), "dates.csv", format!("id,when,y\n{rows}").as_bytes()),
            &SeriesColumns::default(),
        )
    };
    let known: [&dyn Fn(usize) -> String; 15] = [
        &|t| format!("{}m{}", 1990 + t / 12, t % 12 + 1),
        &|t| format!("{}:Q{}", 1990 + t / 4, t % 4 + 1),
        &|t| format!("202401{:02} {:02}0000", 1 + t / 24, t % 24),
        &|t| format!("{}. März 2024", t % 28 + 1).replace("März", ["März", "April"][t / 28]),
        &|t| format!("{} Jan {:2} {:02}:00:00 2024", ["Mon", "Tue", "Wed"][t / 24], 1 + t / 24, t % 24),
        &|t| format!("2024-01-{:02} {:02}:00:00 EST", 1 + t / 24, t % 24),
        &|t| format!("2024-{:03}", t + 1),
        &|t| format!("{}M{:02}", 1990 + t / 12, t % 12 + 1),
        &|t| format!("{}H{}", 1990 + t / 2, t % 2 + 1),
        &|t| format!("H{} {}", t % 2 + 1, 1990 + t / 2),
        &|t| format!("{}年{}月", 1990 + t / 12, t % 12 + 1),
        &|t| format!("Jan-{:02}-{}", t % 28 + 1, 1980 + t),
        &|t| format!("2024-01-{:02} {:02}", 1 + t / 24, t % 24),
        &|t| format!("2024-01-{:02}T{:02}:00+01:00[Europe/Paris]", 1 + t / 24, t % 24),
        &|t| format!("2024-W{:02}-{}", 1 + t / 7, t % 7 + 1),
    ];
    for form in known {
        let set = of(form).unwrap();
        let notes = set.notes.join("\n");
        assert!(notes.contains("times are taken from `when`"), "{}: {notes}", form(0));
    }
    let notes = of(&|t| format!("the {t}th")).unwrap().notes.join("\n");
    assert!(notes.contains("passed over are `when`") && notes.contains("--time-column"), "{notes}");
}

#[test]
fn times_stand_in_several_columns_and_in_zones() {
    let dir = tempfile::tempdir().unwrap();
    let told = SeriesColumns::default();
    let of = |head: &str, form: &dyn Fn(usize) -> String, said: &SeriesColumns| {
        // Backwards, so that what is not sorted shows.
        let rows = (0..60).rev().map(|t| format!("a,{},{t}\n", form(t))).collect::<String>();
        read(&write(dir.path(), "times.csv", format!("id,{head},y\n{rows}").as_bytes()), said)
    };
    let upwards: Vec<_> = (0..60).map(f64::from).collect();
    let (day, hour) = (|t: usize| 1 + t / 24, |t: usize| t % 24);
    type Form<'a> = &'a dyn Fn(usize) -> String;
    let cases: [(&str, Form<'_>, &str); 6] = [
        ("date,time", &|t| format!("2024-01-{:02},{:02}:00", day(t), hour(t)), "2024-01-03T12:00:00"),
        ("date,hour", &|t| format!("2024-01-{:02},{}", day(t), hour(t)), "2024-01-03T12:00:00"),
        ("year,month,day,hour", &|t| format!("2024,1,{},{}", day(t), hour(t)), "2024-01-03T12:00:00"),
        ("Year,Month,Day", &|t| format!("2024,{},{}", 1 + t / 31, 1 + t % 31), "2024-03-01"),
        ("year,month", &|t| format!("{},{}", 1990 + t / 12, 1 + t % 12), "1995-01"),
        ("when", &|t| format!("2024-01-{:02}T{:02}:00+01:00", day(t), hour(t)), "2024-01-03T11:00:00Z"),
    ];
    for (head, form, next) in cases {
        let set = of(head, form, &told).unwrap_or_else(|e| panic!("{head}: {e}"));
        assert_eq!(
            (&set.series[0].1, set.time_after(0, 1).as_deref()),
            (&upwards, Some(next)),
            "{head}: {:?}",
            set.notes
        );
    }
    // The hour that comes twice where clocks are put back, by choice one.
    let back = |t: usize| format!("2024-10-27 {:02}:00", t - usize::from(t > 2));
    let text = |n: usize| (0..n).map(|t| format!("a,{},{t}\n", back(t))).collect::<String>();
    let path = write(dir.path(), "twice.csv", format!("id,when,y\n{}", text(24)).as_bytes());
    let error = read(&path, &told).unwrap_err().to_string();
    assert!(
        error.contains("line 5") && error.contains("line 4") && error.contains("task.duplicates=mean"),
        "{error}"
    );
    for (duplicates, value) in
        [(Duplicates::Mean, 2.5), (Duplicates::Sum, 5.0), (Duplicates::First, 2.0), (Duplicates::Last, 3.0)]
    {
        let set = read(&path, &SeriesColumns { duplicates, ..told.clone() }).unwrap();
        assert_eq!((set.series[0].1.len(), set.series[0].1[2], set.series[0].1[3]), (23, value, 4.0));
        assert!(set.notes.iter().any(|note| note.contains("has again: 1")), "{:?}", set.notes);
    }
    let form = |t: usize| format!("{:02}.01.2024,{}h", day(t), hour(t));
    let plain = |t: usize| format!("{:02}.01.2024,{}", day(t), hour(t));
    let said = SeriesColumns { time: Some("d,h".to_owned()), ..told.clone() };
    assert_eq!(
        of("d,h", &plain, &SeriesColumns { dates: Some("day_first".to_owned()), ..said }).unwrap().series[0]
            .1,
        upwards
    );
    let error =
        of("d,h", &form, &SeriesColumns { time: Some("d".to_owned()), ..told }).unwrap_err().to_string();
    assert!(error.contains("--time-column A,B") || error.contains("day_first"), "{error}");
}
